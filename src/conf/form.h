/* SPDX-License-Identifier: Apache-2.0 */
/* Which texts are device names, host names and the like. Each function judges one NUL-terminated text. */
#ifndef CONF_FORM_H
#define CONF_FORM_H

#include <stdbool.h>

/** form_listen() - "*" or an IP address */
bool form_listen(const char *text);

/** form_host() - A host name or an IP address without brackets */
bool form_host(const char *text);

/** form_domain() - A domain name: labels of letters, digits, "-" and "_" */
bool form_domain(const char *text);

/** form_device() - A network interface's name; one "%d" may stand in it */
bool form_device(const char *text);

/** form_name() - A client's name: [A-Za-z0-9._@-]{1,64} */
bool form_name(const char *text);

/** form_account() - A user's or group's name as useradd(8) takes it */
bool form_account(const char *text);

#endif
