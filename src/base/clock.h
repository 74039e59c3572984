/* SPDX-License-Identifier: Apache-2.0 */
/* The two clocks. Deadlines are in monotonic milliseconds; wall time is for people. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_NEVER UINT64_MAX /* a deadline that does not come */

/** clock_ms() - Monotonic time in milliseconds, never 0 */
uint64_t clock_ms(void);

/** clock_us() - Monotonic time in microseconds */
uint64_t clock_us(void);

/** clock_wall_ms() - Milliseconds since 1970 UTC */
uint64_t clock_wall_ms(void);

/** clock_sooner() - The earlier of two deadlines */
static inline uint64_t clock_sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

#endif
