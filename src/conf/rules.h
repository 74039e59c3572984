/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold between several settings. */
#ifndef CONF_RULES_H
#define CONF_RULES_H

struct conf;
struct source;

/**
 * rules_check() - Check settings against each other
 * @source: where they come from; faults are reported there
 * @c:      filled; what was refused before is empty and not reported again
 */
void rules_check(struct source *source, const struct conf *c);

#endif
