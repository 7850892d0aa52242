/* SPDX-License-Identifier: BSD-3-Clause */
/* log.h - one logfmt or JSON object a line on stderr. Never called from the packet path. */
#pragma once

enum sb_log_level { SB_LOG_ERROR, SB_LOG_WARN, SB_LOG_INFO, SB_LOG_DEBUG };
enum sb_log_format { SB_LOG_LOGFMT, SB_LOG_JSON };

#define SB_LOG_LINE_MAX 4096 /* bytes with the newline; what does not fit is cut and marked with "..." */

/* Process-wide, set once at start by main. */
void sb_log_setup(enum sb_log_level level, enum sb_log_format format);

/* sb_log(SB_LOG_INFO, "trunk changed state", "trunk", name, "state", "DOWN", NULL): message, then key/value strings.
 * Never waits: when stderr takes no more, the line is dropped, and the next that gets through says how many were. */
void sb_log(enum sb_log_level level, const char *message, ...) __attribute__((sentinel));

/* The same with n keys, each followed by its value. */
void sb_log_pairs(enum sb_log_level level, const char *message, const char *const *pairs, unsigned n);
