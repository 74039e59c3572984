/* SPDX-License-Identifier: Apache-2.0 */
/* One setting: checked by the rules of its type and stored. */
#ifndef CONF_SETTER_H
#define CONF_SETTER_H

#include <libconfig.h>

struct schema_key;
struct source;

/* A value on its way into its field. */
struct place {
	struct source *source;
	const struct schema_key *key; /* neither a group nor a list */
	const config_setting_t *setting;
	void *base;       /* what the key's offset counts from */
	const char *text; /* of a string, otherwise NULL */
};

/** setter_store_text() - Replace the string at @at, which may be NULL, by a copy. Return: 0 or ERR_NOMEM */
int setter_store_text(char *at, const char *text);

/** setter_refuse() - Report that a setting, a group or list too, is not what its key allows */
void setter_refuse(const struct place *p);

/** setter_run() - Check one setting and store it; a fault is reported and leaves the field as it was */
void setter_run(const struct place *p);

#endif
