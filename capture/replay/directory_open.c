/* What is cold about a directory: the list, opening and closing its files, what is said of them. */
#define _GNU_SOURCE
#include "capture/replay/directory.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"

/* first_packet reads up to the first packet. Returns 1, 0 or -errno as reader_next */
static int first_packet(struct reader *r, struct packet *pkt)
{
	unsigned budget = UINT_MAX;

	*pkt = (struct packet){0};
	return reader_next(r, pkt, true, &budget);
}

/* note_end remembers how a capture ended that may have more than what was read. */
static void note_end(struct directory *dir, const struct reader *r)
{
	if (r->end == SOURCE_END)
		return;
	dir->broken++;
	if (r->end > dir->worst)
		dir->worst = r->end;
	if (dir->says)
		LOG(WARN, "%s", r->error);
	snprintf(dir->error, sizeof(dir->error),
		"%.120s: %u of its captures cut short or damaged; each is named above, all else "
		"was delivered",
		dir->path, dir->broken);
}

static int path_of(char path[PATH_MAX], const struct directory *dir, const char *name)
{
	int len = snprintf(path, PATH_MAX, "%s/%s", dir->path, name);

	return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

void directory_open_next(struct directory *dir)
{
	const struct listed *file = &dir->files[dir->next++];
	struct opened *made = calloc(1, sizeof(*made));
	char path[PATH_MAX];

	if (!made) {
		dir->worst = SOURCE_GONE;
		dir->broken++;
		snprintf(dir->error, sizeof(dir->error), "%.120s: no memory to open %.60s",
			dir->path, file->name);
		return;
	}
	path_of(path, dir, file->name); /* it was short enough when it was listed */
	if (reader_open(&made->reader, path, NULL, 0) < 0 && made->reader.end == SOURCE_RUNNING)
		made->reader.end = SOURCE_GONE; /* since it was listed */
	if (made->reader.end == SOURCE_RUNNING && first_packet(&made->reader, &made->head) > 0) {
		made->rank = file->rank;
		made->time_ns = made->head.ts_recv_ns;
		directory_place(dir, made);
		return;
	}
	note_end(dir, &made->reader);
	reader_close(&made->reader);
	free(made);
}

void directory_close_first(struct directory *dir)
{
	struct opened *ended = dir->open[0];

	note_end(dir, &ended->reader);
	reader_close(&ended->reader);
	free(ended);
	dir->open[0] = dir->open[--dir->open_n];
	if (dir->open_n > 0)
		directory_sift(dir);
}

static void skip(const struct directory *dir, const char *name, const char *why)
{
	if (dir->says)
		LOG(WARN, "%s/%s: skipped, %s", dir->path, name, why);
}

/* is_capture looks into a file and finds the time of its first packet.
 * Returns  1, 0: it has no packet or is none (which has been said), or -errno with error written */
static int is_capture(struct directory *dir, const char *name, uint64_t *first_ns, char error[256])
{
	struct packet pkt;
	char path[PATH_MAX];
	struct reader r;
	struct stat st;
	int rc = path_of(path, dir, name);

	if (rc == 0 && stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		skip(dir, name,
			S_ISDIR(st.st_mode) ? "it is a directory" : "it is no regular file");
		return 0;
	}
	if (rc < 0) {
		snprintf(error, 256, "%.150s: the path is too long", name);
		return rc;
	}
	rc = reader_open(&r, path, NULL, 0);
	if (rc == 0 && r.format->kind != PACKET_FRAME) {
		skip(dir, name, "its messages bear no time of reception: play it alone");
	} else if (rc == 0) {
		rc = first_packet(&r, &pkt);
		*first_ns = pkt.ts_recv_ns;
		if (rc == 0)
			note_end(dir, &r);
	} else if (r.end == SOURCE_TRUNCATED || r.in.unpack.why) {
		note_end(dir, &r);
		rc = 0;
	} else if (rc == -EINVAL || rc == -ENODATA) {
		skip(dir, name,
			"it is no capture that is read here (pcap, pcapng; plain, gzip, zstd)");
		rc = 0;
	}
	snprintf(error, 256, "%s", r.error);
	reader_close(&r);
	return rc;
}

static int no_memory(const struct directory *dir, char error[256])
{
	snprintf(error, 256, "%.150s: no memory for its list", dir->path);
	return -ENOMEM;
}

/* add puts a file on the list. */
static int add(struct directory *dir, const char *name, uint64_t first_ns, uint32_t rank)
{
	struct listed *file = &dir->files[dir->files_n];

	*file = (struct listed){strdup(name), first_ns, rank};
	dir->files_n += file->name != NULL;
	return file->name ? 0 : -ENOMEM;
}

static int by_time(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;

	if (x->first_ns != y->first_ns)
		return x->first_ns < y->first_ns ? -1 : 1;
	return x->rank < y->rank ? -1 : 1;
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* look lists what lies in the directory. */
static int look(struct directory *dir, char error[256])
{
	struct dirent **entries = NULL;
	int n = scandir(dir->path, &entries, visible, by_name), rc = 0;
	uint64_t first_ns;

	if (n < 0) {
		rc = -errno;
		snprintf(error, 256, "%.150s: cannot be listed: %s; check its rights", dir->path,
			strerror(-rc));
		return rc;
	}
	dir->files = calloc((size_t)n + 1, sizeof(*dir->files));
	if (!dir->files)
		rc = no_memory(dir, error);
	for (int i = 0; rc == 0 && i < n; i++) {
		rc = is_capture(dir, entries[i]->d_name, &first_ns, error);
		if (rc > 0)
			rc = add(dir, entries[i]->d_name, first_ns, (uint32_t)i);
		if (rc == -ENOMEM)
			no_memory(dir, error);
	}
	for (int i = 0; i < n; i++)
		free(entries[i]);
	free(entries);
	if (rc < 0)
		return rc;
	if (dir->files_n == 0 && dir->broken == 0) {
		snprintf(error, 256,
			"%.120s: no packet in it: expected captures (pcap, pcapng; plain, gzip, "
			"zstd)",
			dir->path);
		return -ENODATA;
	}
	qsort(dir->files, dir->files_n, sizeof(*dir->files), by_time);
	return 0;
}

/* copy takes the list that another worker made: the directory may have changed since. */
static int copy(struct directory *dir, const struct directory *first, char error[256])
{
	int rc = 0;

	dir->files = calloc(first->files_n + 1, sizeof(*dir->files));
	if (!dir->files)
		return no_memory(dir, error);
	for (unsigned i = 0; rc == 0 && i < first->files_n; i++)
		rc = add(dir, first->files[i].name, first->files[i].first_ns, first->files[i].rank);
	dir->worst = first->worst;
	dir->broken = first->broken;
	memcpy(dir->error, first->error, sizeof(dir->error));
	return rc < 0 ? no_memory(dir, error) : 0;
}

int directory_open(struct directory **out, const char *path, const struct source_options *opt,
	const struct directory *first, char error[256])
{
	struct directory *dir = calloc(1, sizeof(*dir));
	int rc;

	if (!dir || !(dir->path = strdup(path))) {
		free(dir);
		snprintf(error, 256, "%.150s: no memory", path);
		return -ENOMEM;
	}
	dir->says = opt->worker == 0;
	dir->worst = SOURCE_END;
	if (opt->format) {
		snprintf(error, 256,
			"%.150s: is a directory, whose captures are told by their bytes: leave "
			"--format out",
			path);
		rc = -EINVAL;
	} else {
		rc = first ? copy(dir, first, error) : look(dir, error);
	}
	if (rc == 0) {
		dir->open = calloc(dir->files_n + 1, sizeof(*dir->open));
		if (!dir->open)
			rc = no_memory(dir, error);
	}
	if (rc < 0) {
		directory_close(dir);
		return rc;
	}
	*out = dir;
	return 0;
}

void directory_rewind(struct directory *dir)
{
	dir->next = 0;
	dir->handed = false;
	dir->end = SOURCE_RUNNING;
}

void directory_close(struct directory *dir)
{
	if (!dir)
		return;
	for (unsigned i = 0; i < dir->open_n; i++) {
		reader_close(&dir->open[i]->reader);
		free(dir->open[i]);
	}
	for (unsigned i = 0; i < dir->files_n; i++)
		free(dir->files[i].name);
	free(dir->files);
	free(dir->open);
	free(dir->path);
	free(dir);
}
