/* SPDX-License-Identifier: Apache-2.0 */
/* The authentication phase: the client's request, and the gateway's reply as it is written and read. */
#include "wire/auth.h"

#include <ctype.h>
#include <expat.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "wire/head.h"
#include "wire/http.h"

enum { XML_DEPTH_MAX = 32, TOKEN_DEPTH = 2 };

#define XML_PROLOG "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

/* What a document has said so far. */
struct document {
	XML_Parser parser;
	int depth;
	bool success, wants_certificate, has_form;
	char token[AUTH_COOKIE_MAX];
	char error[AUTH_TEXT_MAX], message[AUTH_TEXT_MAX];
	/* the element whose text is being collected */
	char *text;
	size_t text_cap, text_len;
	int text_depth;
};

/* ---- writing ---- */

/* Text for an XML document. Only ASCII is sure to be legal in it, whatever bytes the text has. */
static int write_escaped(struct buf *out, const char *text)
{
	int r = 0;

	for (; *text && !r; text++) {
		if (*text == '&')
			r = buf_printf(out, "&amp;");
		else if (*text == '<')
			r = buf_printf(out, "&lt;");
		else if (*text == '>')
			r = buf_printf(out, "&gt;");
		else
			r = buf_printf(out, "%c", isprint((unsigned char)*text) ? *text : '?');
	}
	return r;
}

/* The gateway's reply around a body; @cookie may be NULL. */
static int write_reply(const char *cookie, const void *body, size_t len, struct buf *out)
{
	struct head h = head_begin(out);

	head_line(&h, "HTTP/1.1 200 OK");
	head_line(&h, "Connection: Keep-Alive");
	head_line(&h, "Content-Type: text/xml");
	head_line(&h, "X-Transcend-Version: 1");
	if (cookie)
		head_line(&h, "Set-Cookie: webvpn=%s; Secure; HttpOnly", cookie);
	return head_end(&h, body, len);
}

static int write_request(const char *host, int port, const struct buf *body, struct buf *out)
{
	struct head h = head_begin(out);

	head_line(&h, "POST / HTTP/1.1");
	head_host(&h, host, port);
	head_line(&h, "User-Agent: " AUTH_USER_AGENT);
	head_line(&h, "Accept: */*");
	head_line(&h, "Accept-Encoding: identity");
	head_line(&h, "X-Transcend-Version: 1");
	head_line(&h, "X-Aggregate-Auth: 1");
	head_line(&h, "Content-Type: application/xml; charset=utf-8");
	return head_end(&h, buf_data(body), buf_len(body));
}

/* ---- reading ---- */

static const char *attribute(const XML_Char **attributes, const char *name)
{
	for (; attributes[0]; attributes += 2)
		if (!strcmp(attributes[0], name))
			return attributes[1];
	return "";
}

static void collect(struct document *d, char *text, size_t cap)
{
	d->text = text;
	d->text_cap = cap;
	d->text_len = 0;
	d->text_depth = d->depth;
}

static void on_start(void *data, const XML_Char *name, const XML_Char **attributes)
{
	struct document *d = data;

	if (++d->depth > XML_DEPTH_MAX)
		XML_StopParser(d->parser, XML_FALSE);
	if (!strcmp(name, "auth") && !strcmp(attribute(attributes, "id"), "success"))
		d->success = true;
	if (!strcmp(name, "client-cert-request"))
		d->wants_certificate = true;
	if (!strcmp(name, "form"))
		d->has_form = true;
	if (d->text)
		return;
	if (!strcmp(name, "error"))
		collect(d, d->error, sizeof(d->error));
	if (!strcmp(name, "message"))
		collect(d, d->message, sizeof(d->message));
	if (!strcmp(name, "session-token") && d->depth == TOKEN_DEPTH)
		collect(d, d->token, sizeof(d->token));
}

/* Text for people is cut to fit. A token that does not fit is none. */
static void on_text(void *data, const XML_Char *bytes, int len)
{
	struct document *d = data;

	for (int i = 0; i < len && d->text; i++) {
		char c = iscntrl((unsigned char)bytes[i]) ? ' ' : bytes[i];

		if (!d->text_len && c == ' ')
			continue;
		if (d->text_len < d->text_cap - 1)
			d->text[d->text_len++] = c;
		else if (d->text == d->token)
			XML_StopParser(d->parser, XML_FALSE);
	}
}

static void on_end(void *data, const XML_Char *name)
{
	struct document *d = data;

	(void)name;
	if (d->text && d->depth == d->text_depth) {
		while (d->text_len && d->text[d->text_len - 1] == ' ')
			d->text_len--;
		d->text[d->text_len] = '\0';
		d->text = NULL;
	}
	d->depth--;
}

/* A document type may declare entities: there is no reason for one here. */
static void on_doctype(void *data, const XML_Char *name, const XML_Char *system_id, const XML_Char *public_id,
		       int has_internal_subset)
{
	struct document *d = data;

	(void)name;
	(void)system_id;
	(void)public_id;
	(void)has_internal_subset;
	XML_StopParser(d->parser, XML_FALSE);
}

static int read_document(const struct http_message *m, struct document *d)
{
	enum XML_Status status;

	if (!m->body_len || m->body_len > HTTP_BODY_MAX)
		return ERR_PROTO;
	d->parser = XML_ParserCreate(NULL);
	if (!d->parser)
		return ERR_NOMEM;
	XML_SetUserData(d->parser, d);
	XML_SetElementHandler(d->parser, on_start, on_end);
	XML_SetCharacterDataHandler(d->parser, on_text);
	XML_SetStartDoctypeDeclHandler(d->parser, on_doctype);
	status = XML_Parse(d->parser, (const char *)m->body, (int)m->body_len, XML_TRUE);
	XML_ParserFree(d->parser);
	return status == XML_STATUS_OK ? 0 : ERR_PROTO;
}

/* What fits into one Cookie header among others. */
static bool is_cookie(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isgraph((unsigned char)text[i]) || text[i] == ';')
			return false;
	return len && len < AUTH_COOKIE_MAX;
}

/* The last webvpn cookie that is set; an empty value deletes it. */
static int read_cookie(const struct http_message *m, char out[AUTH_COOKIE_MAX])
{
	static const char name[] = "webvpn=";

	for (size_t i = 0; i < m->headers_len; i++) {
		const char *value = m->headers[i].value;
		size_t len;

		if (strcasecmp(m->headers[i].name, "Set-Cookie") || strncmp(value, name, strlen(name)))
			continue;
		value += strlen(name);
		len = strcspn(value, ";");
		if (len && !is_cookie(value, len))
			return ERR_PROTO;
		memcpy(out, value, len);
		out[len] = '\0';
	}
	return 0;
}

static int refuse(struct auth_reply *out, const char *text)
{
	snprintf(out->error, sizeof(out->error), "%s", text);
	return ERR_REFUSED;
}

static int judge(const struct document *d, struct auth_reply *out)
{
	if (d->success) {
		if (!out->cookie[0] && is_cookie(d->token, strlen(d->token)))
			memcpy(out->cookie, d->token, sizeof(out->cookie));
		return out->cookie[0] ? 0 : ERR_PROTO;
	}
	if (d->error[0] || d->message[0])
		return refuse(out, d->error[0] ? d->error : d->message);
	if (d->wants_certificate)
		return refuse(out, "the gateway asks for a certificate, ours does not satisfy it");
	if (d->has_form)
		return refuse(out, "the gateway wants a login form filled in, we have only a certificate");
	return ERR_PROTO;
}

/* ---- exported ---- */

int auth_encode_request(const char *host, int port, struct buf *out)
{
	bool literal = strchr(host, ':'); /* an IPv6 address */
	struct buf body = BUF_INIT;
	int r;

	if ((r = buf_printf(&body,
			    XML_PROLOG "<config-auth client=\"vpn\" type=\"init\" aggregate-auth-version=\"2\">"
				       "<version who=\"vpn\">" ADIT_VERSION "</version>"
				       "<device-id>linux-64</device-id><group-access>https://%s",
			    literal ? "[" : "")) < 0)
		goto out;
	if ((r = write_escaped(&body, host)) < 0)
		goto out;
	if ((r = buf_printf(&body, "%s:%d/</group-access></config-auth>\n", literal ? "]" : "", port)) < 0)
		goto out;
	r = write_request(host, port, &body, out);
out:
	buf_fini(&body);
	return r;
}

int auth_decode_reply(const struct http_message *m, struct auth_reply *out)
{
	struct document d = { 0 };
	int r;

	memset(out, 0, sizeof(*out));
	if (m->status != 200)
		snprintf(out->error, sizeof(out->error), "%s", m->reason);
	if (m->status == 401 || m->status == 403)
		return ERR_DENIED;
	if (m->status >= 500)
		return ERR_AGAIN;
	if (m->status != 200)
		return ERR_PROTO;
	if ((r = read_cookie(m, out->cookie)) < 0 || (r = read_document(m, &d)) < 0)
		goto out;
	r = judge(&d, out);
out:
	explicit_bzero(d.token, sizeof(d.token));
	if (r < 0)
		explicit_bzero(out->cookie, sizeof(out->cookie));
	return r;
}

int auth_encode_success(const char *cookie, struct buf *out)
{
	static const char body[] = XML_PROLOG "<config-auth client=\"vpn\" type=\"complete\">"
					      "<auth id=\"success\"/></config-auth>\n";

	return write_reply(cookie, body, strlen(body), out);
}
