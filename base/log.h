/* log: one line on standard error when something changes; never payload, never secrets. */
#pragma once

#include <stdbool.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JOURNAL, LOG_FORMAT_JSON };

/* log_setup says what is written and how; before it, info and text. fd: where to, 2 when never
 * said. Thread   once, before other threads start */
void log_setup(enum log_level level, enum log_format format, int fd);

bool log_wanted(enum log_level level);

/* LOG(ERROR|WARN|NOTICE|INFO|DEBUG, "what happened key=%s", …): one line, at most 1 KiB; control
 * characters are written as \xNN, so that no text from outside can forge a line.
 * ERROR: we stopped doing our job. WARN: look today.
 * Thread   any; never on the packet path */
#define LOG(level, ...) log_write(LOG_LEVEL_##level, __VA_ARGS__)

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
