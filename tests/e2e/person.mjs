// A person without a browser's window: keeps cookies, follows redirects within Postern, and fills in forms.

/** Opens pages of Postern. */
export function person(postern) {
  const cookies = new Map();

  const send = async (url, init = {}) => {
    const headers = { Cookie: [...cookies].map((pair) => pair.join("=")).join("; "), ...init.headers };
    const response = await postern.fetch(url, { ...init, headers });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = cookie.match(/^([^=]+)=([^;]*)/);
      if (/; Max-Age=0/.test(cookie)) cookies.delete(name);
      else cookies.set(name, value);
    }
    return response;
  };

  /** Follows redirects as long as they stay at Postern: `{ status, text }` of a page, or `{ location }` of an application. */
  const follow = async (response) => {
    for (let left = 10; left > 0; left--) {
      const location = response.headers.get("location");
      const text = await response.text();
      if (!location) return { status: response.status, text, headers: response.headers };
      if (response.status !== 303) throw new Error(`redirected by ${response.status}`);
      if (new URL(location).origin !== postern.url.origin) return { location };
      response = await send(location);
    }
    throw new Error("redirects without an end");
  };

  const open = async (url) => follow(await send(url));

  /** Sends the form of a page that goes to `path`, else its last, with these values in its fields; all else stays as it is. */
  const submit = async (page, values, path) => {
    const [, ...forms] = page.text.split(/(?=<form )/);
    const form = path === undefined ? forms.at(-1) : forms.find((form) => form.includes(`${path}"`)).split("</form>")[0];
    const attribute = (tag, name) => unescape(tag.match(new RegExp(` ${name}="([^"]*)"`))?.[1] ?? "");
    const fields = [...form.matchAll(/<input [^>]*>/g)].map(([tag]) => [attribute(tag, "name"), attribute(tag, "value")]);
    const body = new URLSearchParams({ ...Object.fromEntries(fields), ...values });
    return follow(await send(attribute(form.match(/<form [^>]*>/)[0], "action"), { method: "POST", body }));
  };

  /** Goes through whatever pages an authorization request leads to, and says where it ends: a URL of the application. */
  const authorize = async (url, { username, password }, decision = "allow") => {
    let page = await open(url);
    for (let left = 3; left > 0 && !page.location; left--) {
      page = await submit(page, page.text.includes('name="password"') ? { username, password } : { decision });
    }
    if (!page.location) throw new Error(page.text);
    return page.location;
  };

  return { open, submit, authorize, cookies };
}

const entities = { lt: "<", gt: ">", quot: '"', "#39": "'", amp: "&" };

/** What an attribute in HTML says. */
export const unescape = (text) => text.replace(/&(lt|gt|quot|#39|amp);/g, (_, name) => entities[name]);
