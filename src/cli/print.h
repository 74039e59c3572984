/* SPDX-License-Identifier: Apache-2.0 */
/* What a running adit answers, for people: whatever is not printable ASCII is shown as \xNN. */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include <stdio.h>

#include <jansson.h>

/** print_status() - Version, counters that are not zero, sessions */
void print_status(FILE *to, const json_t *status);

/** print_sessions() - One line a session, in columns */
void print_sessions(FILE *to, const json_t *sessions);

/** print_event() - One line: time, event, and what is known as key=value */
void print_event(FILE *to, const json_t *event);

/** print_told() - How many sessions a command was about */
void print_told(FILE *to, const json_t *answer);

/** print_json() - The answer as one line of JSON in ASCII */
void print_json(FILE *to, const json_t *answer);

/** print_refusal() - What an answer says is wrong */
void print_refusal(FILE *to, const char *error);

#endif
