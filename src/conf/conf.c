/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a configuration, and its reference text. */
#include "conf/conf.h"

#include <stdio.h>
#include <stdlib.h>

#include "conf/file.h"
#include "conf/schema.h"
#include "conf/value.h"

static void clear_group(enum conf_role role, const char *group, void *base)
{
	const struct schema_key *key = NULL;
	size_t len, i;
	char *items;

	while ((key = schema_next(key, group, role))) {
		if (key->type == SCHEMA_GROUP && key->list) {
			items = value_list(key, base, &len);
			for (i = 0; i < len; i++)
				clear_group(role, key->name, items + i * key->item_size);
		} else if (key->type == SCHEMA_GROUP) {
			clear_group(role, key->name, base);
			continue;
		}
		value_clear(key, base);
	}
}

static void print_key(const struct schema_key *key)
{
	char allowed[SCHEMA_ALLOWED_LEN];
	bool quoted = key->type != SCHEMA_BOOL && key->type != SCHEMA_INT;

	printf("%s: %s; ", key->name, schema_allowed(key, allowed));
	if (key->required)
		printf("required");
	else if (key->fallback)
		printf(quoted ? "default \"%s\"" : "default %s", key->fallback);
	else
		printf("optional");
	printf("; %s", key->help);
	printf("\n");
}

static void print_group(enum conf_role role, const char *group)
{
	const struct schema_key *key = NULL;

	while ((key = schema_next(key, group, role))) {
		print_key(key);
		if (key->type == SCHEMA_GROUP)
			print_group(role, key->name);
	}
}

void conf_wipe_key(struct conf *c)
{
	file_wipe(c->identity.key);
	c->identity.key = NULL;
}

const char *conf_pem_at(const struct conf *c, enum conf_pem pem)
{
	return pem < CONF_PEMS && c->pem_at[pem] ? c->pem_at[pem] : c->path;
}

void conf_free(struct conf *c)
{
	int i;

	if (!c)
		return;
	for (i = 0; i < CONF_PEMS; i++)
		free(c->pem_at[i]);
	clear_group(c->role, "", c);
	free(c->path);
	free(c);
}

void conf_print_reference(enum conf_role role)
{
	print_group(role, "");
}
