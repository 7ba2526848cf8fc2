#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

TestSuite(log, .timeout = 10);

static char line[4096];
static int ends[2];

/* read_line returns what was logged since the last call. */
static const char *read_line(void)
{
	ssize_t n;

	LOG(ERROR, "end"); /* so that read never waits */
	n = read(ends[0], line, sizeof(line) - 1);
	cr_assert_gt(n, 0);
	line[n] = '\0';
	return line;
}

static void open_pipe(void)
{
	cr_assert_eq(pipe(ends), 0);
}

Test(log, a_line_has_time_level_and_message, .init = open_pipe)
{
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_TEXT, ends[1]);
	LOG(WARN, "ring full sink=%s", "zmq");
	cr_assert_not_null(strstr(read_line(), "Z warn ring full sink=zmq\n"), "%s", line);
	cr_assert_eq(line[4], '-');
	cr_assert_eq(line[10], 'T');
}

Test(log, what_is_below_the_level_is_not_written, .init = open_pipe)
{
	log_setup(LOG_LEVEL_WARN, LOG_FORMAT_TEXT, ends[1]);
	LOG(INFO, "unwanted");
	cr_assert_null(strstr(read_line(), "unwanted"));
	cr_assert_not(log_wanted(LOG_LEVEL_INFO));
	cr_assert(log_wanted(LOG_LEVEL_ERROR));
}

Test(log, the_journal_gets_its_priorities, .init = open_pipe)
{
	log_setup(LOG_LEVEL_DEBUG, LOG_FORMAT_JOURNAL, ends[1]);
	LOG(WARN, "w");
	LOG(INFO, "i");
	LOG(DEBUG, "d");
	cr_assert_str_eq(read_line(), "<4>w\n<6>i\n<7>d\n<3>end\n");
}

Test(log, json_stays_json_whatever_the_text, .init = open_pipe)
{
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON, ends[1]);
	LOG(INFO, "a \"b\" \\ \n \xff");
	cr_assert_not_null(
		strstr(read_line(),
			"\"level\":\"info\",\"message\":\"a \\\"b\\\" \\\\ \\u000a \\u00ff\"}\n"),
		"%s", line);
}

Test(log, no_text_can_forge_a_line, .init = open_pipe)
{
	char text[3000];

	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_TEXT, ends[1]);
	LOG(INFO, "name=%s", "x\n2024 error forged\x1b[2J");
	cr_assert_not_null(
		strstr(read_line(), "name=x\\x0a2024 error forged\\x1b[2J\n"), "%s", line);
	memset(text, '\n', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	LOG(INFO, "%s", text);
	read_line();
	cr_assert_eq(line[strlen(line) - 1], '\n');
	cr_assert_lt(strchr(line, '\n') - line, 1200);
}
