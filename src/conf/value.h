/* SPDX-License-Identifier: Apache-2.0 */
/* Single settings: from libconfig's value or the table's default to the field of a struct, and back to nothing. */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include <libconfig.h>
#include <stdbool.h>
#include <stddef.h>

struct schema_key;
struct source;

/**
 * value_set() - Check a setting and store it
 * @source:  where it comes from; faults are reported there
 * @key:     its row; not a group
 * @setting: the setting
 * @base:    struct conf, or the item of the list of groups that @key belongs to
 *
 * On a fault the field is left as it was, or empty in a list.
 */
void value_set(struct source *source, const struct schema_key *key, const config_setting_t *setting, void *base);

/** value_default() - Store the key's default, if it has one. Return: 0 or ERR_NOMEM */
int value_default(const struct schema_key *key, void *base);

/** value_is_list() - Whether a setting is [ ] or ( ) and no longer than the key allows */
bool value_is_list(const struct schema_key *key, const config_setting_t *setting);

/**
 * value_list_new() - Give the field of a list @n zeroed items
 * @key:  row of a list
 * @base: as in value_set()
 * @n:    items; 0 leaves the list empty
 *
 * Return: the first item, NULL when @n is 0 or memory is short.
 */
void *value_list_new(const struct schema_key *key, void *base, size_t n);

/** value_list() - Items of a list; @len is filled with how many */
void *value_list(const struct schema_key *key, void *base, size_t *len);

/** value_clear() - Wipe and free what the field owns; items of a list of groups must be cleared before */
void value_clear(const struct schema_key *key, void *base);

/** value_refuse() - Report that a setting is not what its key allows */
void value_refuse(struct source *source, const struct schema_key *key, const config_setting_t *setting);

#endif
