/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a request of the control socket. */
#include "server/request.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/err.h"

enum takes_name { NAME_NEVER, NAME_MAYBE, NAME_ALWAYS };

static const struct {
	const char *name;
	enum takes_name takes_name;
	bool changes;
} commands[] = {
	[REQUEST_STATUS] = { "status", NAME_NEVER, false }, [REQUEST_SESSIONS] = { "sessions", NAME_NEVER, false },
	[REQUEST_EVENTS] = { "events", NAME_NEVER, false }, [REQUEST_DISCONNECT] = { "disconnect", NAME_ALWAYS, true },
	[REQUEST_REKEY] = { "rekey", NAME_MAYBE, true },
};
static_assert(sizeof(commands) / sizeof(commands[0]) == REQUEST_COMMANDS, "a row for every command");

static int find_command(const char *name)
{
	int i;

	for (i = 0; i < REQUEST_COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return i;
	return ERR_MISSING;
}

/* What is wrong with the name, or NULL. */
static const char *name_fault(enum takes_name takes, const char *name)
{
	if (!name)
		return takes == NAME_ALWAYS ? "this command needs a name" : NULL;
	if (takes == NAME_NEVER)
		return "this command takes no name";
	if (!*name || strlen(name) >= TLS_NAME_LEN)
		return "a name has 1 to 64 characters";
	return NULL;
}

int request_decode(const char *line, size_t len, struct request *out, const char **why)
{
	json_t *json = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	const char *command, *name = NULL;
	int i, r = ERR_INVALID;

	*why = "a request is {\"command\": \"...\", \"name\": \"...\"}";
	if (json_unpack(json, "{s:s, s?s !}", "command", &command, "name", &name) < 0)
		goto out;
	*why = "unknown command";
	if ((i = find_command(command)) < 0)
		goto out;
	if ((*why = name_fault(commands[i].takes_name, name)))
		goto out;
	out->command = (enum request_command)i;
	out->changes = commands[i].changes;
	snprintf(out->name, sizeof(out->name), "%s", name ? name : "");
	r = 0;
out:
	json_decref(json);
	return r;
}
