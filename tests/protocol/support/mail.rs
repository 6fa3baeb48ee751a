//! Where e-mail arrives in tests.

use std::cell::RefCell;
use std::rc::Rc;

use postern::app::{Mail, Mailer};

/// Everybody's mailbox.
#[derive(Clone, Default)]
pub struct Mailbox(Rc<RefCell<Vec<Mail>>>);

impl Mailer for Mailbox {
    fn send_later(&self, mail: Mail) {
        self.0.borrow_mut().push(mail);
    }
}

impl Mailbox {
    /// What has arrived since it was last looked at.
    pub fn take(&self) -> Vec<Mail> {
        self.0.take()
    }
}
