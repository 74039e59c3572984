/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the values of tunnel headers; used by this room only. Values are NUL-terminated, results untouched on
 * failure. */
#ifndef WIRE_VALUE_H
#define WIRE_VALUE_H

#include <stdbool.h>
#include <stddef.h>

struct addr;
struct prefix;

/**
 * value_number() - Read a decimal number up to @max
 *
 * "none" is 0 and so is everything below: peers mean "off" by all of them. Return: 0 or ERR_INVALID.
 */
int value_number(const char *value, long max, int *out);

/** value_mtu() - Read a number that can be an MTU. Return: 0 or ERR_INVALID */
int value_mtu(const char *value, int *out);

/** value_text() - Copy text to @out, cut to @cap with NUL; control characters become blanks */
void value_text(const char *value, char *out, size_t cap);

/** value_name() - Like value_text(), for what must not be cut. Return: 0 or ERR_INVALID when it does not fit */
int value_name(const char *value, char *out, size_t cap);

/** value_is_host() - Letters, digits, hyphen, dot and underscore, at least one */
bool value_is_host(const char *value);

/** value_is_true() - "true" in any case; NULL is not */
bool value_is_true(const char *value);

/** value_is_one() - "1"; NULL is not */
bool value_is_one(const char *value);

/** value_netmask_len() - Length of an IPv4 netmask, or ERR_INVALID when its ones are not all in front */
int value_netmask_len(const struct addr *mask);

/** value_route() - Read "net/len" of either family, "net/mask" of IPv4, or an address alone. Return: 0 or ERR_INVALID
 */
int value_route(const char *value, struct prefix *out);

/** value_banner() - Like value_text(), percent-encoding undone where it gives a newline or a printable byte */
void value_banner(const char *value, char *out, size_t cap);

#endif
