/* Hot path: no allocation, lock, system call or log. */
/* The next packet of many files. directory_open.c is the cold part. */
#include "capture/replay/directory.h"

static bool before(const struct opened *a, const struct opened *b)
{
	return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->rank < b->rank;
}

void directory_place(struct directory *dir, struct opened *made)
{
	unsigned at = dir->open_n++;

	for (; at > 0 && before(made, dir->open[(at - 1) / 2]); at = (at - 1) / 2)
		dir->open[at] = dir->open[(at - 1) / 2];
	dir->open[at] = made;
}

void directory_sift(struct directory *dir)
{
	struct opened *moved = dir->open[0];
	unsigned at = 0, child;

	while ((child = 2 * at + 1) < dir->open_n) {
		if (child + 1 < dir->open_n && before(dir->open[child + 1], dir->open[child]))
			child++;
		if (!before(dir->open[child], moved))
			break;
		dir->open[at] = dir->open[child];
		at = child;
	}
	dir->open[at] = moved;
}

/* advance reads another packet of the file whose last one was handed out.
 * Returns  false: not now */
static bool advance(struct directory *dir, bool may_refill, unsigned *budget)
{
	struct opened *first = dir->open[0];
	int rc;

	first->head = (struct packet){0};
	rc = reader_next(&first->reader, &first->head, may_refill, budget);
	if (rc > 0) {
		if (first->head.ts_recv_ns > first->time_ns)
			first->time_ns = first->head.ts_recv_ns;
		directory_sift(dir);
		return true;
	}
	if (first->reader.end == SOURCE_RUNNING || !may_refill) /* its bytes may still be in use */
		return false;
	directory_close_first(dir);
	return true;
}

/* due says whether the next file of the list begins before the next packet of those open. */
static bool due(const struct directory *dir)
{
	const struct listed *file = &dir->files[dir->next];
	const struct opened *first = dir->open[0];

	if (dir->next == dir->files_n)
		return false;
	return dir->open_n == 0 || file->first_ns < first->time_ns ||
	       (file->first_ns == first->time_ns && file->rank < first->rank);
}

int directory_next(struct directory *dir, struct packet *pkt, bool may_refill, unsigned *budget)
{
	const struct opened *first;
	uint64_t seq = pkt->seq;
	uint16_t round = pkt->round;

	if (dir->handed && !advance(dir, may_refill, budget))
		return 0;
	dir->handed = false;
	while (due(dir))
		directory_open_next(dir);
	if (dir->open_n == 0) {
		dir->end = dir->worst;
		return 0;
	}
	first = dir->open[0];
	*pkt = first->head;
	pkt->seq = seq;
	pkt->round = round;
	pkt->port = (uint16_t)first->rank;
	dir->handed = true;
	return 1;
}
