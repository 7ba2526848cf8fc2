#include "base/tz.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>

enum { DAY = 86400, NS_PER_S = 1000000000 };

/* change is when summer time begins or ends in a year. */
struct change {
	char kind; /* 'M' month.week.day, 'J' day 1-365 without 29 February, '0' day 0-365 */
	int month, week, day;
	int time; /* s after midnight of local time as it was */
};

struct zone {
	int std, dst; /* s east of UTC */
	bool has_dst;
	struct change begin, end;
};

static bool read_number(const char **p, int least, int most, int *value)
{
	int v = 0;

	if (!isdigit((unsigned char)**p))
		return false;
	while (isdigit((unsigned char)**p) && v <= most)
		v = v * 10 + (*(*p)++ - '0');
	*value = v;
	return v >= least && v <= most;
}

static bool read_name(const char **p)
{
	const char *start = *p;

	if (**p == '<') {
		start = ++*p;
		while (isalnum((unsigned char)**p) || **p == '+' || **p == '-')
			++*p;
		return *p - start >= 3 && *(*p)++ == '>';
	}
	while (isalpha((unsigned char)**p))
		++*p;
	return *p - start >= 3;
}

/* read_time reads [+-]h[:mm[:ss]] in seconds. */
static bool read_time(const char **p, int most_hours, int *seconds)
{
	int sign = **p == '-' ? -1 : 1, h, m = 0, s = 0;

	if (**p == '-' || **p == '+')
		++*p;
	if (!read_number(p, 0, most_hours, &h))
		return false;
	if (**p == ':' && (++*p, !read_number(p, 0, 59, &m)))
		return false;
	if (**p == ':' && (++*p, !read_number(p, 0, 59, &s)))
		return false;
	*seconds = sign * (h * 3600 + m * 60 + s);
	return true;
}

static bool read_change(const char **p, struct change *c)
{
	bool ok;

	if (*(*p)++ != ',')
		return false;
	c->time = 2 * 3600;
	c->kind = '0';
	if (**p == 'M' || **p == 'J')
		c->kind = *(*p)++;
	if (c->kind == 'M') {
		ok = read_number(p, 1, 12, &c->month) && *(*p)++ == '.' &&
		     read_number(p, 1, 5, &c->week) && *(*p)++ == '.' &&
		     read_number(p, 0, 6, &c->day);
	} else {
		ok = read_number(p, c->kind == 'J', 365, &c->day);
	}
	if (ok && **p == '/') {
		++*p;
		ok = read_time(p, 167, &c->time);
	}
	return ok;
}

static bool read_zone(const char *p, struct zone *z)
{
	int west;

	*z = (struct zone){0};
	if (!read_name(&p) || !read_time(&p, 24, &west))
		return false;
	z->std = z->dst = -west;
	if (!*p)
		return true;
	if (!read_name(&p))
		return false;
	z->has_dst = true;
	z->dst = z->std + 3600;
	if (*p && *p != ',') {
		if (!read_time(&p, 24, &west))
			return false;
		z->dst = -west;
	}
	return read_change(&p, &z->begin) && read_change(&p, &z->end) && !*p;
}

static bool is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* year_start is the day number of 1 January, 1970-01-01 being 0. */
static int64_t year_start(int year)
{
	int64_t y = year - 1;

	return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

static int year_of(int64_t day)
{
	int year = (int)(1970 + day / 366);

	while (year_start(year + 1) <= day)
		year++;
	return year;
}

/* change_at is when a change happens, in s of the local time before it. */
static int64_t change_at(const struct change *c, int year)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int64_t day = year_start(year);
	int length, first;

	if (c->kind != 'M') {
		bool skip = c->kind == 'J' && (!is_leap(year) || c->day < 60);

		return (day + c->day - (c->kind == 'J' && skip)) * DAY + c->time;
	}
	for (int m = 1; m < c->month; m++)
		day += days[m - 1] + (m == 2 && is_leap(year));
	length = days[c->month - 1] + (c->month == 2 && is_leap(year));
	first = (int)((c->day - (day + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
	first += (c->week - 1) * 7;
	if (first >= length)
		first -= 7;
	return (day + first) * DAY + c->time;
}

/* offset_at is how far local time is ahead of UTC, in s. */
static int offset_at(const struct zone *z, int64_t utc)
{
	int64_t begin, end;
	int year;

	if (!z->has_dst)
		return z->std;
	year = year_of((utc + z->std) / DAY);
	begin = change_at(&z->begin, year) - z->std;
	end = change_at(&z->end, year) - z->dst;
	if (begin < end)
		return utc >= begin && utc < end ? z->dst : z->std;
	return utc >= end && utc < begin ? z->std
					 : z->dst; /* the south: summer spans the new year */
}

/* start_of is the first instant (UTC, s) of a local day. A clock that jumps over midnight starts
 * the day with its jump, which is where midnight of the time before it would be. */
static int64_t start_of(const struct zone *z, int64_t day)
{
	int64_t summer = day * DAY - z->dst;

	return offset_at(z, summer) == z->dst ? summer : day * DAY - z->std;
}

uint64_t tz_midnight(const char *posix_tz, uint64_t now_ns, uint64_t *next)
{
	int64_t now = (int64_t)(now_ns / NS_PER_S), day, start;
	struct zone z;

	if (!posix_tz || !read_zone(posix_tz, &z))
		z = (struct zone){0};
	now += offset_at(&z, now);
	day = now < 0 ? -1 : now / DAY;
	start = start_of(&z, day);
	if (next)
		*next = (uint64_t)start_of(&z, day + 1) * NS_PER_S;
	return start > 0 ? (uint64_t)start * NS_PER_S : 0;
}

int tz_check(const char *posix_tz)
{
	struct zone z;

	return posix_tz && read_zone(posix_tz, &z) ? 0 : -EINVAL;
}
