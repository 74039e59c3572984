/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session at its gateway, once it has begun: what is told of it, its hooks, its end. Everything runs on its home
 * worker but the two functions that post.
 */
#ifndef SERVER_MEMBER_H
#define SERVER_MEMBER_H

#include <stdbool.h>

struct hook_facts;
struct mailbox;
struct server;
struct session;
struct session_events;
struct worker;

extern const struct session_events member_events;

/** member_home() - The worker at which a session is at home; from any thread */
struct worker *member_home(const struct session *s);

/** member_main_mailbox() - The engine's main loop's, where hooks and events go; from any thread */
struct mailbox *member_main_mailbox(struct server *server);

/** member_facts() - What a hook is told of a session; @reason may be NULL */
void member_facts(const struct session *s, bool connect, const char *reason, struct hook_facts *out);

/** member_disconnect_hook() - Have the disconnect hook run, if there is one, for a session whose connect hook has */
void member_disconnect_hook(struct session *s, const char *reason);

/** member_end() - End it for good, with a reason for its peer. NULL: without DISCONNECT, the gateway is stopping */
void member_end(struct session *s, const char *reason);

/** member_post_end() - The same with a reason, from any thread */
void member_post_end(struct session *s, const char *reason);

/** member_post_rekey() - Ask for a new generation, from any thread */
void member_post_rekey(struct session *s);

/** member_free() - Let go of a session without stream: its link, and the reference of this room */
void member_free(struct session *s);

#endif
