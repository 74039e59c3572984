/* SPDX-License-Identifier: Apache-2.0 */
/* Single settings: from libconfig's value or the table's default to the field of a struct, and back to nothing. */
#include "conf/value.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "conf/file.h"
#include "conf/schema.h"
#include "conf/setter.h"
#include "conf/source.h"

/* Every list in struct conf has this shape; its items are reached by copying the pointer. */
struct list_shape {
	void *items;
	size_t len;
};
static_assert(offsetof(struct conf_prefixes, len) == offsetof(struct list_shape, len), "lists have one shape");

static char *field(const struct schema_key *key, void *base)
{
	return (char *)base + key->offset;
}

/* A key with the same rules whose field is an item by itself. */
static struct schema_key item_of(const struct schema_key *key)
{
	struct schema_key item = *key;

	item.list = false;
	item.offset = 0;
	return item;
}

static void set_list(struct source *source, const struct schema_key *key, const config_setting_t *setting, void *base)
{
	const struct schema_key item = item_of(key);
	size_t n = (size_t)config_setting_length(setting), size = schema_item_size(key), i;
	char *items = value_list_new(key, base, n);

	if (n && !items) {
		source_report(source, setting, key->name, "%s", err_text(ERR_NOMEM));
		return;
	}
	for (i = 0; i < n; i++) {
		const config_setting_t *one = config_setting_get_elem(setting, (unsigned)i);
		struct place p = { source, &item, one, items + i * size, source_string(source, one) };

		setter_run(&p);
	}
}

static bool owns_text(const struct schema_key *key)
{
	switch (key->type) {
	case SCHEMA_STRING:
	case SCHEMA_PATH:
	case SCHEMA_PROGRAM:
	case SCHEMA_PEM:
	case SCHEMA_HOST_PORT:
		return true;
	default:
		return false;
	}
}

static void clear_text(char *at)
{
	char *text, *none = NULL;

	memcpy(&text, at, sizeof(text));
	file_wipe(text);
	memcpy(at, &none, sizeof(none));
}

static void clear_list(const struct schema_key *key, void *base)
{
	size_t len, i;
	char *items = value_list(key, base, &len);

	for (i = 0; i < len && owns_text(key); i++)
		clear_text(items + i * schema_item_size(key));
	free(items);
	memset(field(key, base), 0, sizeof(struct list_shape));
}

void value_set(struct source *source, const struct schema_key *key, const config_setting_t *setting, void *base)
{
	struct place p = { source, key, setting, base, source_string(source, setting) };

	if (!key->list)
		setter_run(&p);
	else if (value_is_list(key, setting))
		set_list(source, key, setting, base);
	else
		setter_refuse(&p);
}

int value_default(const struct schema_key *key, void *base)
{
	bool yes;
	int n;

	if (!key->fallback)
		return 0;
	switch (key->type) {
	case SCHEMA_BOOL:
		yes = !strcmp(key->fallback, "true");
		memcpy(field(key, base), &yes, sizeof(yes));
		return 0;
	case SCHEMA_INT:
		n = atoi(key->fallback);
		memcpy(field(key, base), &n, sizeof(n));
		return 0;
	case SCHEMA_CHOICE:
		n = schema_word(key, key->fallback);
		memcpy(field(key, base), &n, sizeof(n));
		return 0;
	default:
		return setter_store_text(field(key, base), key->fallback);
	}
}

bool value_is_list(const struct schema_key *key, const config_setting_t *setting)
{
	return (config_setting_is_array(setting) || config_setting_is_list(setting)) &&
	       config_setting_length(setting) <= key->max;
}

void *value_list_new(const struct schema_key *key, void *base, size_t n)
{
	struct list_shape list = { .len = n };

	if (!n)
		return NULL;
	list.items = calloc(n, schema_item_size(key));
	if (list.items)
		memcpy(field(key, base), &list, sizeof(list));
	return list.items;
}

void *value_list(const struct schema_key *key, void *base, size_t *len)
{
	struct list_shape list;

	memcpy(&list, field(key, base), sizeof(list));
	*len = list.len;
	return list.items;
}

void value_clear(const struct schema_key *key, void *base)
{
	if (key->list) {
		clear_list(key, base);
		return;
	}
	if (owns_text(key))
		clear_text(field(key, base));
	if (key->type == SCHEMA_PEM && key->offset2)
		clear_text((char *)base + key->offset2);
}

void value_refuse(struct source *source, const struct schema_key *key, const config_setting_t *setting)
{
	const struct place p = { source, key, setting, NULL, NULL };

	setter_refuse(&p);
}
