// How e-mail leaves. Each resolves to undefined, or rejects and says why.

const patience = 5000; // in milliseconds

/** Resolves when the answer is on its way: that there is an e-mail to send must not make it later. */
const afterTheAnswer = () => scheduler.wait(1);

/** Posts an e-mail to the operator's webhook. Redirects are not followed: the token is for nobody else. */
export async function post(url, token, mail) {
  await afterTheAnswer();
  const response = await fetch(url, {
    method: "POST",
    headers: { "Authorization": `Bearer ${token}`, "Content-Type": "application/json" },
    body: mail,
    redirect: "manual",
    signal: AbortSignal.timeout(patience),
  });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`the webhook answered ${response.status}`);
}

/** Hands an e-mail to a `send_email` binding. */
export async function send(binding, mail) {
  await afterTheAnswer();
  await binding.send(JSON.parse(mail));
}
