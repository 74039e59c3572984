/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks JSON against the schemas in docs/. Knows type, enum, properties, required, additionalProperties, items,
 * minimum, and $ref to a file beside it; a keyword that it does not know makes the test fail.
 */
#ifndef TESTSCHEMA_H
#define TESTSCHEMA_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

static bool testschema_check(const json_t *schema, const json_t *value);

static json_t *testschema_load(const char *name)
{
	char path[256];
	json_error_t error;
	json_t *schema;

	snprintf(path, sizeof(path), "docs/%s", name);
	schema = json_load_file(path, 0, &error);
	if (!schema)
		printf("# %s:%d: %s\n", path, error.line, error.text);
	return schema;
}

static bool testschema_file(const char *name, const json_t *value)
{
	json_t *schema = testschema_load(name);
	bool good = schema && testschema_check(schema, value);

	json_decref(schema);
	return good;
}

static bool testschema_is(const char *type, const json_t *v)
{
	return (!strcmp(type, "object") && json_is_object(v)) || (!strcmp(type, "array") && json_is_array(v)) ||
	       (!strcmp(type, "string") && json_is_string(v)) || (!strcmp(type, "integer") && json_is_integer(v)) ||
	       (!strcmp(type, "boolean") && json_is_boolean(v)) || (!strcmp(type, "null") && json_is_null(v));
}

static bool testschema_type(const json_t *type, const json_t *v)
{
	const json_t *one;
	size_t i;

	if (json_is_string(type))
		return testschema_is(json_string_value(type), v);
	json_array_foreach(type, i, one)
		if (testschema_is(json_string_value(one), v))
			return true;
	return false;
}

static bool testschema_enum(const json_t *values, const json_t *v)
{
	const json_t *one;
	size_t i;

	json_array_foreach(values, i, one)
		if (json_equal(one, v))
			return true;
	return false;
}

static bool testschema_required(const json_t *names, const json_t *v)
{
	const json_t *name;
	size_t i;

	json_array_foreach(names, i, name) {
		if (json_object_get(v, json_string_value(name)))
			continue;
		printf("# \"%s\" is missing\n", json_string_value(name));
		return false;
	}
	return true;
}

/* Each member by its own schema, or by that for members which have none. */
static bool testschema_members(const json_t *schema, const json_t *v)
{
	const json_t *rest = json_object_get(schema, "additionalProperties"), *of;
	const char *key;
	json_t *member;
	bool good;

	json_object_foreach((json_t *)v, key, member)
	{
		of = json_object_get(json_object_get(schema, "properties"), key);
		if (!of)
			of = rest;
		good = !json_is_false(of) && (!json_is_object(of) || testschema_check(of, member));
		if (good)
			continue;
		printf("# at \"%s\"\n", key);
		return false;
	}
	return true;
}

static bool testschema_items(const json_t *of, const json_t *v)
{
	const json_t *item;
	size_t i;

	json_array_foreach(v, i, item)
		if (!testschema_check(of, item))
			return false;
	return true;
}

static bool testschema_keyword(const json_t *schema, const char *keyword, const json_t *is, const json_t *v)
{
	if (!strcmp(keyword, "$schema") || !strcmp(keyword, "title") || !strcmp(keyword, "description"))
		return true;
	if (!strcmp(keyword, "$ref"))
		return testschema_file(json_string_value(is), v);
	if (!strcmp(keyword, "type"))
		return testschema_type(is, v);
	if (!strcmp(keyword, "enum"))
		return testschema_enum(is, v);
	if (!strcmp(keyword, "minimum"))
		return !json_is_integer(v) || json_integer_value(v) >= json_integer_value(is);
	if (!strcmp(keyword, "required"))
		return !json_is_object(v) || testschema_required(is, v);
	if (!strcmp(keyword, "items"))
		return !json_is_array(v) || testschema_items(is, v);
	if (!strcmp(keyword, "properties") || !strcmp(keyword, "additionalProperties"))
		return !json_is_object(v) || testschema_members(schema, v);
	return false;
}

static bool testschema_check(const json_t *schema, const json_t *value)
{
	const char *keyword;
	json_t *is;

	json_object_foreach((json_t *)schema, keyword, is)
	{
		if (testschema_keyword(schema, keyword, is, value))
			continue;
		printf("# against \"%s\"\n", keyword);
		return false;
	}
	return true;
}

#endif
