/* What a card loses before the kernel has it: no card here loses anything, so what the kernel would say is put in its mouth
 * (--wrap); the interface is a real one. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>

#include "capture/afpacket/afpacket.h"

int __real_afpacket_link_missed(int fd, const char *iface, uint64_t *missed);
int __wrap_afpacket_link_missed(int fd, const char *iface, uint64_t *missed);

static struct {
	uint64_t missed;
	int rc;
	unsigned asked;
} card;

int __wrap_afpacket_link_missed(int fd, const char *iface, uint64_t *missed)
{
	cr_assert_str_eq(iface, "lo");
	cr_assert_geq(fd, 0);
	card.asked++;
	*missed = card.missed;
	return card.rc;
}

static void begin(void)
{
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		printf("skip - missed: no network namespace: run as root\n");
		fflush(stdout);
		cr_skip_test("no network namespace: run as root");
	}
	cr_assert_eq(system("ip link set lo up"), 0);
}

TestSuite(missed, .init = begin, .timeout = 30);

static struct source *opened(void)
{
	struct source_options opt = {.workers = 1, .ring_mib = 1};
	struct source *src;
	char error[256];

	cr_assert_eq(source_open_afpacket(&src, "lo", &opt, error), 1, "%s", error);
	return src;
}

static uint64_t missed(struct source *src)
{
	struct source_stats stats = {0};

	usleep(2000);
	src->ops->stats(src, &stats);
	return stats.dropped[REASON_nic_missed];
}

Test(missed, the_card_counts_from_when_it_was_opened)
{
	struct source *src;

	card.missed = 1000;
	src = opened();
	cr_assert_eq(missed(src), 0);
	card.missed = 1007;
	cr_assert_eq(missed(src), 7);
	cr_assert_eq(missed(src), 7);
	card.missed = 3; /* the interface was made anew */
	cr_assert_eq(missed(src), 10);
	card.rc = -1; /* it is not there just now */
	cr_assert_eq(missed(src), 10);
	src->ops->close(src);
}

Test(missed, it_is_asked_once_a_millisecond_at_most)
{
	struct source *src = opened();
	struct source_stats stats = {0};

	missed(src);
	card.asked = 0;
	for (int i = 0; i < 100; i++)
		src->ops->stats(src, &stats);
	cr_assert_leq(card.asked, 20);
	src->ops->close(src);
}

Test(missed, a_kernel_that_does_not_tell_is_not_asked_again)
{
	struct source *src;

	card.rc = -95;
	src = opened();
	card.asked = 0;
	cr_assert_eq(missed(src), 0);
	cr_assert_eq(card.asked, 0);
	src->ops->close(src);
}

Test(missed, the_kernel_answers_for_a_real_interface_and_refuses_for_none)
{
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	uint64_t n = 77;

	cr_assert_eq(__real_afpacket_link_missed(fd, "lo", &n), 0);
	cr_assert_eq(n, 0);
	cr_assert_lt(__real_afpacket_link_missed(fd, "nosuch0", &n), 0);
	cr_assert_eq(
		__real_afpacket_link_missed(fd, "lo", &n), 0, "the refusal is no answer to this");
	close(fd);
}
