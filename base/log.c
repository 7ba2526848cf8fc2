#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 1024 };

static struct {
	enum log_level level;
	enum log_format format;
	int fd;
} setup = {LOG_LEVEL_INFO, LOG_FORMAT_TEXT, STDERR_FILENO};

static const char *const names[] = {"error", "warn", "notice", "info", "debug"};

void log_setup(enum log_level level, enum log_format format, int fd)
{
	setup.level = level;
	setup.format = format;
	setup.fd = fd;
}

bool log_wanted(enum log_level level)
{
	return level <= setup.level;
}

/* escape writes text so that it stays on its line; for JSON also quotes and backslashes. */
static size_t escape(char *out, size_t room, const char *text)
{
	bool json = setup.format == LOG_FORMAT_JSON;
	char *p = out, *end = out + room;

	for (; *text && end - p > 7; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c == 0x7f || (json && c > 0x7f)) /* JSON must be UTF-8 */
			p += snprintf(p, (size_t)(end - p), json ? "\\u%04x" : "\\x%02x", c);
		else if (json && (c == '"' || c == '\\'))
			p += snprintf(p, (size_t)(end - p), "\\%c", c);
		else
			*p++ = (char)c;
	}
	return (size_t)(p - out);
}

void log_write(enum log_level level, const char *format, ...)
{
	char text[LINE], line[LINE + 128], time_text[32];
	struct timespec now;
	struct tm tm;
	va_list args;
	size_t n;

	if (!log_wanted(level))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(time_text, sizeof(time_text), "%Y-%m-%dT%H:%M:%S", &tm);
	switch (setup.format) {
	case LOG_FORMAT_JOURNAL: /* sd-daemon(3); the journal has the time */
		n = (size_t)snprintf(line, sizeof(line), "<%d>", level + 3);
		break;
	case LOG_FORMAT_JSON:
		n = (size_t)snprintf(line, sizeof(line),
			"{\"time\":\"%s.%06ldZ\",\"level\":\"%s\",\"message\":\"", time_text,
			now.tv_nsec / 1000, names[level]);
		break;
	default:
		n = (size_t)snprintf(line, sizeof(line), "%s.%06ldZ %s ", time_text,
			now.tv_nsec / 1000, names[level]);
	}
	n += escape(line + n, sizeof(line) - n - 4, text);
	if (setup.format == LOG_FORMAT_JSON) {
		memcpy(line + n, "\"}", 2);
		n += 2;
	}
	line[n++] = '\n';
	if (write(setup.fd, line, n) < 0)
		return; /* nowhere left to say it */
}
