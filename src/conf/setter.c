/* SPDX-License-Identifier: Apache-2.0 */
/* One setting: checked by the rules of its type and stored. */
#include "conf/setter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/err.h"
#include "conf/file.h"
#include "conf/form.h"
#include "conf/schema.h"
#include "conf/source.h"

enum { SHOWN_TEXT_LEN = 48, FOUND_LEN = 96, DEFAULT_PORT = 443, PORT_MAX = 65535 };

static char *place_field(const struct place *p)
{
	return (char *)p->base + p->key->offset;
}

/* Never more than the first line: what follows may be a key that went astray. */
static void value_text(const struct source *source, const config_setting_t *setting, char out[FOUND_LEN])
{
	const char *text = source_string(source, setting), *cut = source_number(source, setting);
	size_t len = text ? strcspn(text, "\n") : 0;

	if (len > SHOWN_TEXT_LEN)
		len = SHOWN_TEXT_LEN;
	if (cut)
		snprintf(out, FOUND_LEN, "%s", cut);
	else if (text)
		snprintf(out, FOUND_LEN, "\"%.*s%s\"", (int)len, text, text[len] ? "..." : "");
	else if (config_setting_type(setting) == CONFIG_TYPE_BOOL)
		snprintf(out, FOUND_LEN, "%s", config_setting_get_bool(setting) ? "true" : "false");
	else if (config_setting_type(setting) == CONFIG_TYPE_FLOAT)
		snprintf(out, FOUND_LEN, "%g", config_setting_get_float(setting));
	else
		snprintf(out, FOUND_LEN, "%lld", config_setting_get_int64(setting));
}

static const char *type_text(const config_setting_t *setting)
{
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_BOOL:
		return "boolean";
	case CONFIG_TYPE_STRING:
		return "string";
	case CONFIG_TYPE_FLOAT:
		return "decimal number";
	default:
		return "integer";
	}
}

static void found_text(const struct source *source, const config_setting_t *setting, char out[FOUND_LEN])
{
	char value[FOUND_LEN];

	if (config_setting_is_group(setting)) {
		snprintf(out, FOUND_LEN, "a group");
	} else if (config_setting_is_aggregate(setting)) {
		snprintf(out, FOUND_LEN, "a list of %d", config_setting_length(setting));
	} else {
		value_text(source, setting, value);
		snprintf(out, FOUND_LEN, "%s %.*s", type_text(setting), FOUND_LEN - 16, value);
	}
}

static void set_text(const struct place *p, size_t offset, const char *text)
{
	if (setter_store_text((char *)p->base + offset, text) < 0)
		source_report(p->source, p->setting, p->key->name, "%s", err_text(ERR_NOMEM));
}

static void set_bool(const struct place *p)
{
	bool value = config_setting_get_bool(p->setting);

	memcpy(place_field(p), &value, sizeof(value));
}

static bool in_range(const struct place *p)
{
	long long wide = config_setting_get_int64(p->setting);

	return !source_number(p->source, p->setting) && wide >= p->key->min && wide <= p->key->max;
}

static void set_int(const struct place *p)
{
	int value = config_setting_get_int(p->setting);

	if (!in_range(p))
		setter_refuse(p);
	else
		memcpy(place_field(p), &value, sizeof(value));
}

static void set_choice(const struct place *p)
{
	int index = schema_word(p->key, p->text);

	if (index < 0)
		setter_refuse(p);
	else
		memcpy(place_field(p), &index, sizeof(index));
}

static void set_string(const struct place *p)
{
	if (p->key->valid ? !p->key->valid(p->text) : schema_word(p->key, p->text) < 0)
		setter_refuse(p);
	else
		set_text(p, p->key->offset, p->text);
}

static bool is_special(const struct addr *a)
{
	return addr_is_loopback(a) || addr_is_link_local(a) || addr_is_multicast(a);
}

static void refuse_special(const struct place *p)
{
	source_report(p->source, p->setting, p->key->name,
		      "found string \"%s\", allowed no loopback, link-local or multicast addresses", p->text);
}

static void set_addr(const struct place *p)
{
	struct addr a;

	if (addr_parse(p->text, &a) < 0 || (p->key->family && a.family != p->key->family) || addr_is_unspecified(&a))
		setter_refuse(p);
	else if (is_special(&a))
		refuse_special(p);
	else
		memcpy(place_field(p), &a, sizeof(a));
}

/* Bits behind the length are reported and cleared, so that what depends on the network can still be checked. */
static void set_prefix(const struct place *p)
{
	char text[PREFIX_TEXT_LEN];
	struct prefix given, net;

	if (prefix_parse(p->text, &given) < 0 || (p->key->family && given.addr.family != p->key->family)) {
		setter_refuse(p);
		return;
	}
	net = prefix_network(&given);
	if (is_special(&given.addr))
		refuse_special(p);
	else if (!addr_equal(&net.addr, &given.addr))
		source_report(p->source, p->setting, p->key->name,
			      "found string \"%s\", allowed a network without bits behind its length: \"%s\"", p->text,
			      prefix_format(&net, text));
	memcpy(place_field(p), &net, sizeof(net));
}

static void set_path(const struct place *p)
{
	char path[PATH_MAX];

	source_resolve(p->source, p->setting, p->text, path);
	if (!*p->text || (p->key->max && strlen(path) > (size_t)p->key->max))
		setter_refuse(p);
	else
		set_text(p, p->key->offset, path);
}

static void set_program(const struct place *p)
{
	char path[PATH_MAX];
	struct stat st;

	source_resolve(p->source, p->setting, p->text, path);
	if (stat(path, &st) < 0)
		source_report(p->source, p->setting, p->key->name,
			      "found %s: %s, allowed the path of an executable file", path, err_text(ERR_SYS));
	else if (!S_ISREG(st.st_mode) || access(path, X_OK) < 0)
		setter_refuse(p);
	else
		set_text(p, p->key->offset, path);
}

/* Nobody else may read a private key, in a file of its own or within the configuration. */
static bool mode_fits(const struct place *p, const char *pem, mode_t mode, const char *path)
{
	if (!strstr(pem, "PRIVATE KEY-----") || !(mode & 077))
		return true;
	source_report(p->source, p->setting, p->key->name,
		      "found mode %04o of %s, allowed 0600: a private key stands in it", (unsigned)mode, path);
	return false;
}

/* Its place is kept: faults in the text are found later. */
static void set_pem_text(const struct place *p, const char *pem)
{
	char where[SOURCE_WHERE_LEN];

	set_text(p, p->key->offset, pem);
	set_text(p, offsetof(struct conf, pem_at) + p->key->pem * sizeof(char *),
		 source_where(p->source, p->setting, p->key->name, where));
}

static void set_pem_inline(const struct place *p)
{
	char path[PATH_MAX];
	struct stat st;

	if (stat(source_file(p->source, p->setting, path), &st) < 0)
		source_report(p->source, p->setting, p->key->name, "%s: %s", path, err_text(ERR_SYS));
	else if (mode_fits(p, p->text, st.st_mode & 07777, path))
		set_pem_text(p, p->text);
}

static void set_pem_file(const struct place *p)
{
	char path[PATH_MAX];
	char *pem = NULL;
	mode_t mode;
	int r;

	source_resolve(p->source, p->setting, p->text, path);
	if ((r = file_read(path, &pem, &mode)) < 0) {
		source_report(p->source, p->setting, p->key->name,
			      "found %s: %s, allowed PEM text or the path of a PEM file", path, file_why(r));
	} else if (!strstr(pem, "-----BEGIN")) {
		source_report(p->source, p->setting, p->key->name, "found no PEM text in %s, allowed a PEM file", path);
	} else if (mode_fits(p, pem, mode, path)) {
		set_pem_text(p, pem);
		if (p->key->offset2)
			set_text(p, p->key->offset2, path);
	}
	file_wipe(pem);
}

/* A key whose first line got lost is no path: it must not be shown whole. */
static void set_pem(const struct place *p)
{
	if (strstr(p->text, "-----BEGIN"))
		set_pem_inline(p);
	else if (!*p->text || strchr(p->text, '\n'))
		setter_refuse(p);
	else
		set_pem_file(p);
}

static int port_of(const char *digits)
{
	char *end;
	long port;

	if (!*digits)
		return DEFAULT_PORT;
	if (*digits++ != ':' || *digits < '0' || *digits > '9')
		return ERR_INVALID;
	port = strtol(digits, &end, 10);
	return *end || port < 1 || port > PORT_MAX ? ERR_INVALID : (int)port;
}

static bool host_valid(const char *host, bool brackets)
{
	struct addr a;

	if (brackets)
		return !addr_parse(host, &a) && a.family == ADDR_V6;
	return form_host(host);
}

static void set_host_port(const struct place *p)
{
	bool brackets = *p->text == '[';
	size_t len = strcspn(p->text + brackets, brackets ? "]" : ":");
	const char *end = p->text + brackets + len;
	char *host = strndup(p->text + brackets, len);
	int port = brackets && *end != ']' ? ERR_INVALID : port_of(end + brackets);

	if (!host || port < 0 || !host_valid(host, brackets)) {
		setter_refuse(p);
	} else {
		set_text(p, p->key->offset, host);
		memcpy((char *)p->base + p->key->offset2, &port, sizeof(port));
	}
	free(host);
}

static void (*const setters[SCHEMA_TYPES])(const struct place *p) = {
	[SCHEMA_BOOL] = set_bool,           [SCHEMA_INT] = set_int,         [SCHEMA_CHOICE] = set_choice,
	[SCHEMA_STRING] = set_string,       [SCHEMA_ADDR] = set_addr,       [SCHEMA_PREFIX] = set_prefix,
	[SCHEMA_PATH] = set_path,           [SCHEMA_PROGRAM] = set_program, [SCHEMA_PEM] = set_pem,
	[SCHEMA_HOST_PORT] = set_host_port,
};

static bool type_fits(const struct schema_key *key, const config_setting_t *setting)
{
	int type = config_setting_type(setting);

	switch (key->type) {
	case SCHEMA_BOOL:
		return type == CONFIG_TYPE_BOOL;
	case SCHEMA_INT:
		return type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64;
	default:
		return type == CONFIG_TYPE_STRING;
	}
}

int setter_store_text(char *at, const char *text)
{
	char *copy = strdup(text), *old;

	if (!copy)
		return ERR_NOMEM;
	memcpy(&old, at, sizeof(old));
	file_wipe(old);
	memcpy(at, &copy, sizeof(copy));
	return 0;
}

void setter_refuse(const struct place *p)
{
	char found[FOUND_LEN], allowed[SCHEMA_ALLOWED_LEN];

	found_text(p->source, p->setting, found);
	source_report(p->source, p->setting, p->key->name, "found %s, allowed %s", found,
		      schema_allowed(p->key, allowed));
}

void setter_run(const struct place *p)
{
	if (!type_fits(p->key, p->setting)) {
		setter_refuse(p);
		return;
	}
	/* "" says none, which is the default wherever it is allowed. */
	if (!p->text || *p->text || !p->key->empty_ok)
		setters[p->key->type](p);
}
