/* SPDX-License-Identifier: Apache-2.0 */
/* The table of all settings: what each is called, what it may hold, what stands when it is left out. */
#ifndef CONF_SCHEMA_H
#define CONF_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "conf/conf.h"

enum schema_type {
	SCHEMA_GROUP,     /* { ... }; its keys are the rows named "GROUP.KEY" */
	SCHEMA_BOOL,      /* bool */
	SCHEMA_INT,       /* int, min..max */
	SCHEMA_CHOICE,    /* an enum: the place of the word in words */
	SCHEMA_STRING,    /* char *, one of words or as valid() says */
	SCHEMA_ADDR,      /* struct addr */
	SCHEMA_PREFIX,    /* struct prefix, a network */
	SCHEMA_PATH,      /* char *, absolute; at most max bytes when that is set */
	SCHEMA_PROGRAM,   /* char *, absolute path of an executable file */
	SCHEMA_PEM,       /* char *, the text; offset2: char *, the path it came from */
	SCHEMA_HOST_PORT, /* char *, the host; offset2: int, the port */
	SCHEMA_TYPES
};

enum {
	SCHEMA_SERVER = 1 << CONF_SERVER,
	SCHEMA_CLIENT = 1 << CONF_CLIENT,
	SCHEMA_BOTH = SCHEMA_SERVER | SCHEMA_CLIENT
};
enum { SCHEMA_WORDS_MAX = 4, SCHEMA_NAME_LEN = 96, SCHEMA_ALLOWED_LEN = 256 };

struct schema_key {
	const char *name; /* "limits.per_source"; NULL ends the table */
	enum schema_type type;
	unsigned roles;
	bool list;     /* several of the type; destination is a struct { items, len } */
	bool required; /* in its group */
	bool reloadable;
	bool empty_ok; /* "" says none */
	int min, max;  /* of a number; max of a list: entries, of a path: bytes; 0: no limit */
	enum addr_family family;
	const char *words[SCHEMA_WORDS_MAX];
	bool (*valid)(const char *text);
	const char *form;     /* what valid() takes, in words */
	const char *fallback; /* the default as text, NULL: none */
	size_t offset;        /* destination in struct conf, or in the item of the list of groups around it */
	size_t offset2;       /* second destination, 0: none */
	size_t item_size;     /* of a list of groups */
	enum conf_pem pem;    /* of PEM: which one */
	const char *help;
};

/**
 * schema_next() - Walk the keys of one group
 * @after: the key before, or NULL to begin
 * @group: name of the group, "" for the top level
 * @role:  only keys that this role has
 *
 * Return: the next key, or NULL.
 */
const struct schema_key *schema_next(const struct schema_key *after, const char *group, enum conf_role role);

/** schema_find() - The key of that full name, or NULL */
const struct schema_key *schema_find(const char *name, enum conf_role role);

/** schema_nearest() - The key whose name is most like an unknown one, or NULL when none is near */
const struct schema_key *schema_nearest(const char *name, enum conf_role role);

/**
 * schema_allowed() - What a key may hold, in words
 * @key: key
 * @out: the text
 *
 * Return: @out.
 */
const char *schema_allowed(const struct schema_key *key, char out[SCHEMA_ALLOWED_LEN]);

/** schema_word() - The place of @text among the key's words, or ERR_MISSING */
int schema_word(const struct schema_key *key, const char *text);

/** schema_item_size() - Bytes of one value in the list that @key is */
size_t schema_item_size(const struct schema_key *key);

#endif
