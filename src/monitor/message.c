/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes and checks of the messages between engine and monitor. */
#include "monitor/message.h"

#include <string.h>

#include "base/err.h"

static const size_t lengths[] = {
	[MESSAGE_SOCKET] = sizeof(struct message_socket),       [MESSAGE_RESOLVE] = sizeof(struct message_resolve),
	[MESSAGE_NET_BEGIN] = sizeof(struct message_net_begin), [MESSAGE_NET_ITEM] = sizeof(struct message_net_item),
	[MESSAGE_NET_COMMIT] = sizeof(struct message_header),   [MESSAGE_HOOK] = sizeof(struct message_hook),
	[MESSAGE_ANSWER] = sizeof(struct message_answer),       [MESSAGE_STOP] = sizeof(struct message_header),
};
static_assert(sizeof(lengths) / sizeof(lengths[0]) == MESSAGE_TYPES, "one length a type");

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"

static const char host_chars[] = LETTERS DIGITS "-._:";
static const char name_chars[] = LETTERS DIGITS "-._@";
static const char outer_chars[] = LETTERS DIGITS "[].:%";

static bool text_ends(const char *text, size_t cap)
{
	return memchr(text, '\0', cap);
}

static bool text_of(const char *text, size_t cap, const char *chars)
{
	return text_ends(text, cap) && !text[strspn(text, chars)];
}

/* Printable, UTF-8 allowed: no control character that could end a line. */
static bool text_printable(const char *text, size_t cap)
{
	if (!text_ends(text, cap))
		return false;
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

static bool host_name_ok(const char *text)
{
	return text_of(text, ASK_NAME_MAX, host_chars) && *text && *text != '-';
}

static bool family_ok(uint32_t family)
{
	return family == ADDR_V4 || family == ADDR_V6;
}

/* What is behind an IPv4 address must be zero, for every comparison looks at it. */
static bool addr_ok(const struct addr *a)
{
	static const uint8_t zero[sizeof(a->bytes) - 4];

	return a->family == ADDR_V6 || (a->family == ADDR_V4 && !memcmp(a->bytes + 4, zero, sizeof(zero)));
}

static bool prefix_ok(const struct prefix *p, bool whole_address)
{
	if (!addr_ok(&p->addr))
		return false;
	return whole_address ? p->len == addr_bits(&p->addr) : p->len <= addr_bits(&p->addr);
}

static bool item_ok(const struct net_item *item)
{
	switch (item->kind) {
	case NET_ADDRESS:
	case NET_ROUTE:
	case NET_EXCLUDE:
		return prefix_ok(&item->prefix, false);
	case NET_GATEWAY:
	case NET_DNS:
		return prefix_ok(&item->prefix, true);
	case NET_DOMAIN:
		return host_name_ok(item->text);
	case NET_BANNER:
		return text_printable(item->text, sizeof(item->text));
	case NET_MTU:
		return true;
	case NET_KINDS:
		break;
	}
	return false;
}

static bool facts_ok(const struct hook_facts *f)
{
	return (f->connect == 0 || f->connect == 1) && text_of(f->name, sizeof(f->name), name_chars) &&
	       text_of(f->peer, sizeof(f->peer), outer_chars) && text_of(f->local, sizeof(f->local), outer_chars) &&
	       (f->ipv4.family == ADDR_NONE || (f->ipv4.family == ADDR_V4 && addr_ok(&f->ipv4))) &&
	       (f->ipv6.family == ADDR_NONE || f->ipv6.family == ADDR_V6) &&
	       text_printable(f->reason, sizeof(f->reason));
}

static bool body_ok(const union message *m)
{
	switch ((enum message_type)m->header.type) {
	case MESSAGE_SOCKET:
		return m->socket.kind < ASK_SOCKET_KINDS && family_ok(m->socket.family);
	case MESSAGE_RESOLVE:
		return host_name_ok(m->resolve.host);
	case MESSAGE_NET_BEGIN:
		return m->net_begin.phase <= NET_RECONNECTED;
	case MESSAGE_NET_ITEM:
		return item_ok(&m->net_item.item);
	case MESSAGE_NET_COMMIT:
		return true;
	case MESSAGE_HOOK:
		return facts_ok(&m->hook.facts);
	case MESSAGE_ANSWER:
	case MESSAGE_STOP:
	case MESSAGE_TYPES:
		break;
	}
	return false;
}

size_t message_len(enum message_type type)
{
	return lengths[type];
}

int message_check(const union message *m, size_t len)
{
	if (len < sizeof(m->header) || m->header.type >= MESSAGE_TYPES || len != lengths[m->header.type])
		return ERR_INVALID;
	return body_ok(m) ? 0 : ERR_INVALID;
}
