/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP message from bytes as they come, over http-parser.
 *
 * The pieces that the parser reports are joined into NUL-terminated strings in one block of fixed size; a string takes
 * no more room than it took on the wire, where something stood between any two. CONNECT with a path is accepted by the
 * parser as long as nobody asks it to split the URL. Bytes are counted by us, for its own limit is one for the process.
 */
#include "wire/http.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The parser's name for the same thing as ours. */
#define HTTP_REQUEST HTTP_PARSER_REQUEST
#include <http_parser.h>
#undef HTTP_REQUEST

#include "base/buf.h"
#include "base/err.h"

enum { BODY_ENVELOPE_MAX = 16384 }; /* chunk sizes and trailers around a body */

enum piece { PIECE_NONE, PIECE_URL, PIECE_STATUS, PIECE_NAME, PIECE_VALUE };

struct http_parser_state {
	struct http_parser parser;
	enum http_kind kind;
	bool connect_reply, keep_body;
	bool head_done, done;
	int error;        /* why a callback stopped the parser */
	size_t quota;     /* bytes that this part of the message may still take */
	enum piece piece; /* what the string at the end of text is */
	char *text;
	size_t text_len, text_max;
	struct http_header *headers;
	size_t headers_max;
	struct buf body;
	size_t body_len;
	struct http_message message;
};

static int stop(struct http_parser_state *p, int error)
{
	p->error = error;
	return -1;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* End the string that was being joined; a value loses the blanks behind it. */
static void end_piece(struct http_parser_state *p)
{
	if (p->piece == PIECE_VALUE)
		while (p->text_len && is_blank(p->text[p->text_len - 1]))
			p->text_len--;
	if (p->piece != PIECE_NONE)
		p->text[p->text_len++] = '\0';
	p->piece = PIECE_NONE;
}

static int begin_piece(struct http_parser_state *p, enum piece piece)
{
	struct http_message *m = &p->message;
	const char *at = p->text + p->text_len;

	p->piece = piece;
	if (piece == PIECE_URL)
		m->url = at;
	if (piece == PIECE_STATUS)
		m->reason = at;
	if (piece == PIECE_VALUE)
		p->headers[m->headers_len - 1].value = at;
	if (piece != PIECE_NAME)
		return 0;
	if (m->headers_len == p->headers_max)
		return stop(p, ERR_TOO_BIG);
	p->headers[m->headers_len++] = (struct http_header){ .name = at, .value = "" };
	return 0;
}

/* The parser lets any byte through at the start of a value and in the text behind a status. */
static bool is_printable(const char *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (iscntrl((unsigned char)at[i]) && at[i] != '\t')
			return false;
	return true;
}

static int take_piece(struct http_parser *parser, enum piece piece, const char *at, size_t len)
{
	struct http_parser_state *p = parser->data;

	if (p->head_done) /* trailers of a chunked body mean nothing to us */
		return 0;
	if (!is_printable(at, len))
		return stop(p, ERR_PROTO);
	if (p->piece != piece) {
		end_piece(p);
		if (begin_piece(p, piece) < 0)
			return -1;
	}
	if (len >= p->text_max - p->text_len) /* one is for the NUL */
		return stop(p, ERR_TOO_BIG);
	memcpy(p->text + p->text_len, at, len);
	p->text_len += len;
	return 0;
}

static int on_url(struct http_parser *parser, const char *at, size_t len)
{
	return take_piece(parser, PIECE_URL, at, len);
}

static int on_status(struct http_parser *parser, const char *at, size_t len)
{
	return take_piece(parser, PIECE_STATUS, at, len);
}

static int on_header_field(struct http_parser *parser, const char *at, size_t len)
{
	return take_piece(parser, PIECE_NAME, at, len);
}

static int on_header_value(struct http_parser *parser, const char *at, size_t len)
{
	return take_piece(parser, PIECE_VALUE, at, len);
}

static int on_headers_complete(struct http_parser *parser)
{
	struct http_parser_state *p = parser->data;

	end_piece(p);
	p->head_done = true;
	p->message.status = p->kind == HTTP_REPLY ? (int)parser->status_code : 0;
	if (p->kind == HTTP_REQUEST)
		strncpy(p->message.method, http_method_str(parser->method), sizeof(p->message.method) - 1);
	return p->connect_reply ? 2 : 0; /* 2: neither a body nor another message follows */
}

static int on_body(struct http_parser *parser, const char *at, size_t len)
{
	struct http_parser_state *p = parser->data;

	if (len > HTTP_BODY_MAX - p->body_len)
		return stop(p, ERR_TOO_BIG);
	p->body_len += len;
	if (p->keep_body && buf_append(&p->body, at, len) < 0)
		return stop(p, ERR_NOMEM);
	return 0;
}

/* Stop behind this message, so that the parser does not take what follows for the next one. */
static int on_message_complete(struct http_parser *parser)
{
	struct http_parser_state *p = parser->data;

	p->message.keep_alive = http_should_keep_alive(parser);
	p->done = true;
	http_parser_pause(parser, 1);
	return 0;
}

static const struct http_parser_settings callbacks = {
	.on_url = on_url,
	.on_status = on_status,
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

static int deliver(struct http_parser_state *p, struct http_message *out)
{
	p->message.headers = p->headers;
	if (p->keep_body) {
		p->message.body = buf_data(&p->body);
		p->message.body_len = buf_len(&p->body);
	}
	*out = p->message;
	return 1;
}

struct http_parser_state *http_new(enum http_kind kind, bool connect_reply, bool keep_body)
{
	struct http_parser_state *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->kind = kind;
	p->connect_reply = connect_reply;
	p->keep_body = keep_body;
	p->text_max = kind == HTTP_REQUEST ? HTTP_HEAD_MAX : HTTP_REPLY_HEAD_MAX;
	p->headers_max = kind == HTTP_REQUEST ? HTTP_HEADERS_MAX : HTTP_REPLY_HEADERS_MAX;
	p->text = malloc(p->text_max);
	p->headers = calloc(p->headers_max, sizeof(*p->headers));
	if (!p->text || !p->headers) {
		http_free(p);
		return NULL;
	}
	/* The library's own limit of 80 KiB is one for the whole process; ours are counted by p->quota. */
	if (kind == HTTP_REPLY)
		http_parser_set_max_header_size(2 * HTTP_REPLY_HEAD_MAX);
	http_reset(p);
	return p;
}

int http_feed(struct http_parser_state *p, const uint8_t *data, size_t len, size_t *used, struct http_message *out)
{
	size_t at = 0, n, room;
	bool in_head;

	while (at < len && !p->done) {
		in_head = !p->head_done;
		room = len - at < p->quota ? len - at : p->quota;
		if (!room)
			return ERR_TOO_BIG;
		n = http_parser_execute(&p->parser, &callbacks, (const char *)data + at, room);
		if (p->error)
			return p->error;
		if (!p->done && HTTP_PARSER_ERRNO(&p->parser) != HPE_OK)
			return ERR_PROTO;
		at += n;
		p->quota = in_head && p->head_done ? HTTP_BODY_MAX + BODY_ENVELOPE_MAX : p->quota - n;
	}
	*used = at;
	return p->done ? deliver(p, out) : ERR_SHORT;
}

int http_finish(struct http_parser_state *p, struct http_message *out)
{
	if (!p->done)
		http_parser_execute(&p->parser, &callbacks, "", 0);
	return p->done ? deliver(p, out) : ERR_EOF;
}

void http_reset(struct http_parser_state *p)
{
	explicit_bzero(p->text, p->text_len);
	if (p->body.base)
		explicit_bzero(p->body.base, p->body.cap);
	buf_clear(&p->body);
	http_parser_init(&p->parser, p->kind == HTTP_REQUEST ? HTTP_PARSER_REQUEST : HTTP_RESPONSE);
	p->parser.data = p;
	p->head_done = p->done = false;
	p->error = 0;
	p->quota = p->text_max;
	p->piece = PIECE_NONE;
	p->text_len = p->body_len = 0;
	p->message = (struct http_message){ .url = "", .reason = "" };
}

void http_free(struct http_parser_state *p)
{
	if (!p)
		return;
	if (p->text)
		explicit_bzero(p->text, p->text_len);
	free(p->text);
	free(p->headers);
	buf_fini(&p->body);
	free(p);
}

const char *http_find(const struct http_message *m, const char *name)
{
	for (size_t i = 0; i < m->headers_len; i++)
		if (!strcasecmp(m->headers[i].name, name))
			return m->headers[i].value;
	return NULL;
}

/* One "name=value" of a Cookie header, or NULL. */
static const char *find_crumb(const char *crumbs, const char *name, size_t *len)
{
	size_t name_len = strlen(name);

	for (; *crumbs; crumbs += strspn(crumbs, "; \t")) {
		size_t crumb_len = strcspn(crumbs, ";");

		if (crumb_len > name_len && !memcmp(crumbs, name, name_len) && crumbs[name_len] == '=') {
			*len = crumb_len - name_len - 1;
			return crumbs + name_len + 1;
		}
		crumbs += crumb_len;
	}
	return NULL;
}

int http_cookie(const struct http_message *m, const char *name, char *out, size_t cap)
{
	const char *value = NULL;
	size_t i, len;

	for (i = 0; i < m->headers_len && !value; i++)
		if (!strcasecmp(m->headers[i].name, "Cookie"))
			value = find_crumb(m->headers[i].value, name, &len);
	if (!value)
		return ERR_MISSING;
	while (len && is_blank(value[len - 1]))
		len--;
	if (len >= cap)
		return ERR_TOO_BIG;
	memcpy(out, value, len);
	out[len] = '\0';
	return (int)len;
}
