/* SPDX-License-Identifier: Apache-2.0 */
/* The loader: walks libconfig's tree beside the table of settings. */
#include "conf/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "conf/rules.h"
#include "conf/schema.h"
#include "conf/source.h"
#include "conf/value.h"

static void load_group(struct source *s, enum conf_role role, const config_setting_t *group, const char *name,
		       void *base);

static int load_defaults(enum conf_role role, const char *group, void *base)
{
	const struct schema_key *key = NULL;
	int r = 0;

	while (!r && (key = schema_next(key, group, role))) {
		if (key->type != SCHEMA_GROUP)
			r = value_default(key, base);
		else if (!key->list)
			r = load_defaults(role, key->name, base);
	}
	return r;
}

static void load_items(struct source *s, enum conf_role role, const struct schema_key *key,
		       const config_setting_t *list, void *base)
{
	size_t n = (size_t)config_setting_length(list), i;
	char *items = value_list_new(key, base, n);
	struct schema_key one = *key;

	one.list = false;
	if (n && !items)
		source_report(s, list, key->name, "%s", err_text(ERR_NOMEM));
	for (i = 0; items && i < n; i++) {
		const config_setting_t *item = config_setting_get_elem(list, (unsigned)i);
		void *at = items + i * key->item_size;

		if (!config_setting_is_group(item))
			value_refuse(s, &one, item);
		else if (load_defaults(role, key->name, at) < 0)
			source_report(s, item, key->name, "%s", err_text(ERR_NOMEM));
		else
			load_group(s, role, item, key->name, at);
	}
}

static void refuse_unknown(struct source *s, enum conf_role role, const config_setting_t *setting, const char *name)
{
	enum conf_role other = role == CONF_SERVER ? CONF_CLIENT : CONF_SERVER;
	const struct schema_key *nearest = schema_nearest(name, role);

	if (schema_find(name, other))
		source_report(s, setting, name, "found in the file of a %s, allowed in that of a %s only",
			      role == CONF_SERVER ? "server" : "client", role == CONF_SERVER ? "client" : "server");
	else if (nearest)
		source_report(s, setting, name, "found an unknown key, did you mean \"%s\"?", nearest->name);
	else
		source_report(s, setting, name, "found an unknown key");
}

static void load_setting(struct source *s, enum conf_role role, const config_setting_t *setting, const char *group,
			 void *base)
{
	char name[SCHEMA_NAME_LEN];
	const struct schema_key *key;

	snprintf(name, sizeof(name), "%s%s%s", group, *group ? "." : "", config_setting_name(setting));
	key = schema_find(name, role);
	if (!key)
		refuse_unknown(s, role, setting, name);
	else if (key->type != SCHEMA_GROUP)
		value_set(s, key, setting, base);
	else if (key->list && value_is_list(key, setting))
		load_items(s, role, key, setting, base);
	else if (!key->list && config_setting_is_group(setting))
		load_group(s, role, setting, name, base);
	else
		value_refuse(s, key, setting);
}

static void load_group(struct source *s, enum conf_role role, const config_setting_t *group, const char *name,
		       void *base)
{
	const struct schema_key *key = NULL;
	char allowed[SCHEMA_ALLOWED_LEN];
	const char *leaf;
	int i;

	for (i = 0; i < config_setting_length(group); i++)
		load_setting(s, role, config_setting_get_elem(group, (unsigned)i), name, base);
	while ((key = schema_next(key, name, role))) {
		leaf = *name ? key->name + strlen(name) + 1 : key->name;
		if (key->required && !config_setting_get_member(group, leaf))
			source_report(s, group, key->name, "found nothing, allowed %s", schema_allowed(key, allowed));
	}
}

static int load_role(struct source *s, enum conf_role *out)
{
	const config_setting_t *root = config_root_setting(&s->config);
	const config_setting_t *listen = config_setting_get_member(root, "listen");
	const config_setting_t *server = config_setting_get_member(root, "server");

	if (!listen == !server) {
		source_report(s, server ? server : root, listen ? "server" : "listen",
			      "found %s, allowed listen (in the file of a server) or server (in that of a client)",
			      listen ? "beside listen" : "neither listen nor server");
		return ERR_CONFIG;
	}
	*out = listen ? CONF_SERVER : CONF_CLIENT;
	return 0;
}

static int load_conf(struct source *s, struct conf *c)
{
	const config_setting_t *root = config_root_setting(&s->config);

	if (load_role(s, &c->role) < 0)
		return ERR_CONFIG;
	c->path = strdup(s->path);
	if (!c->path || load_defaults(c->role, "", c) < 0) {
		source_report(s, root, "", "%s", err_text(ERR_NOMEM));
		return ERR_CONFIG;
	}
	load_group(s, c->role, root, "", c);
	rules_check(s, c);
	if (s->errors)
		return ERR_CONFIG;
	if (c->role == CONF_CLIENT && !c->trust.name && c->server_host && !(c->trust.name = strdup(c->server_host)))
		source_report(s, root, "trust.name", "%s", err_text(ERR_NOMEM));
	return s->errors ? ERR_CONFIG : 0;
}

int conf_load(const char *path, struct conf **out)
{
	struct conf *c = calloc(1, sizeof(*c));
	struct source s;
	int r;

	if (!c) {
		fprintf(stderr, "%s: %s\n", path, err_text(ERR_NOMEM));
		return ERR_CONFIG;
	}
	r = source_open(&s, path);
	if (!r)
		r = load_conf(&s, c);
	source_fini(&s);
	if (r < 0)
		conf_free(c);
	else
		*out = c;
	return r;
}
