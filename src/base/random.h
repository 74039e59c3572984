/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes from the kernel. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/** random_bytes() - Fill @out with @len bytes fit for secrets; ends the process when the kernel has none */
void random_bytes(void *out, size_t len);

/** random_below() - A number in 0..@bound-1, evenly spread; @bound > 0 */
uint32_t random_below(uint32_t bound);

#endif
