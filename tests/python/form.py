"""The forms of pages, for programs without a browser."""

from html.parser import HTMLParser


class Form(HTMLParser):
    """The one form of a page: where it leads, and what is in its fields."""

    def __init__(self, page):
        super().__init__()
        self.action, self.fields = None, {}
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form":
            self.action = attrs["action"]
        elif tag == "input":
            self.fields[attrs["name"]] = attrs["value"]
