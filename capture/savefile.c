#include "capture/savefile.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LINKS_MAX = 32,
	BUFFER = 1 << 20,
	BLOCK_HEAD = 28, /* of an enhanced packet block: up to its data */
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET = 6,
	BYTE_ORDER_MAGIC = 0x1a2b3c4d,
	OPTION_TSRESOL = 9,
	IDLE_NS = 1000000000,
};

/* draft-ietf-opsawg-pcapng, sections 4.1 to 4.3 */
struct savefile {
	pthread_mutex_t lock;
	int fd, failed; /* failed: -errno that broke it */
	bool regular;
	uint64_t good; /* bytes of whole blocks */
	uint16_t links[LINKS_MAX];
	unsigned links_n;
	char path[128], error[256];
};

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

/* fail remembers what broke, once. */
static int fail(struct savefile *file, int rc)
{
	if (!file->failed) {
		file->failed = rc;
		snprintf(file->error, sizeof(file->error),
			"%s: %s after %llu bytes; packets from here on are counted as "
			"write_failed",
			file->path, strerror(-rc), (unsigned long long)file->good);
		if (file->regular && ftruncate(file->fd, (off_t)file->good) < 0)
			return rc; /* the last block stays cut */
	}
	return rc;
}

/* write_all writes whole blocks. Takes: the lock is held. Returns 0, or -errno */
static int write_all(struct savefile *file, const uint8_t *p, size_t len)
{
	uint64_t end = file->good + len;

	if (file->failed)
		return file->failed;
	while (len) {
		ssize_t n = write(file->fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(file, n < 0 ? -errno : -EIO);
		p += n;
		len -= (size_t)n;
	}
	file->good = end;
	return 0;
}

static int section_write(struct savefile *file)
{
	uint8_t block[28], *p = block;

	p = put32(p, BLOCK_SECTION);
	p = put32(p, sizeof(block));
	p = put32(p, BYTE_ORDER_MAGIC);
	p = put32(p, 1);          /* version 1.0 */
	p = put32(p, UINT32_MAX); /* length of the section: not known */
	p = put32(p, UINT32_MAX);
	put32(p, sizeof(block));
	return write_all(file, block, sizeof(block));
}

static int interface_write(struct savefile *file, uint16_t link)
{
	uint8_t block[32], *p = block;

	p = put32(p, BLOCK_INTERFACE);
	p = put32(p, sizeof(block));
	p = put32(p, link);
	p = put32(p, 0); /* no limit of length */
	p = put32(p, OPTION_TSRESOL | 1 << 16);
	p = put32(p, 9); /* ns */
	p = put32(p, 0); /* end of options */
	put32(p, sizeof(block));
	return write_all(file, block, sizeof(block));
}

int savefile_open(struct savefile **out, const char *path, char error[256])
{
	struct savefile *file = calloc(1, sizeof(*file));
	struct stat st;
	int rc = -ENOMEM;

	if (!file)
		goto failed;
	snprintf(file->path, sizeof(file->path), "%s", path);
	file->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0644);
	rc = file->fd < 0 ? -errno : 0;
	if (rc < 0)
		goto failed;
	signal(SIGPIPE, SIG_IGN); /* a reader that went away is EPIPE */
	file->regular = fstat(file->fd, &st) == 0 && S_ISREG(st.st_mode);
	pthread_mutex_init(&file->lock, NULL);
	rc = section_write(file);
	if (rc == 0) {
		*out = file;
		return 0;
	}
	close(file->fd);
failed:
	snprintf(error, 256, "-w %.190s: %s", path, strerror(-rc));
	free(file);
	return rc;
}

const char *savefile_error(struct savefile *file)
{
	const char *error;

	pthread_mutex_lock(&file->lock);
	error = file->error;
	pthread_mutex_unlock(&file->lock);
	return error;
}

int savefile_close(struct savefile *file)
{
	int rc = file->failed;

	if (close(file->fd) < 0 && rc == 0)
		rc = -errno;
	pthread_mutex_destroy(&file->lock);
	free(file);
	return rc;
}

int saver_open(struct saver *sv, struct savefile *file)
{
	*sv = (struct saver){.file = file, .buffer = malloc(BUFFER)};
	return sv->buffer ? 0 : -ENOMEM;
}

void saver_close(struct saver *sv)
{
	saver_flush(sv);
	free(sv->buffer);
	sv->buffer = NULL;
}

void saver_flush(struct saver *sv)
{
	int rc;

	if (!sv->used)
		return;
	pthread_mutex_lock(&sv->file->lock);
	rc = write_all(sv->file, sv->buffer, sv->used);
	pthread_mutex_unlock(&sv->file->lock);
	if (rc < 0)
		sv->dropped[REASON_write_failed] += sv->held;
	else
		sv->written += sv->held;
	sv->held = 0;
	sv->used = 0;
}

void saver_idle(struct saver *sv, uint64_t now_ns)
{
	if (now_ns - sv->flushed_ns < IDLE_NS)
		return;
	saver_flush(sv);
	sv->flushed_ns = now_ns;
}

/* interface_find sets the number of the interface of this link type, made when it is new.
 * Returns  0, or -errno */
static int interface_find(struct saver *sv, uint16_t link)
{
	struct savefile *file = sv->file;
	unsigned i = 0;
	int rc = 0;

	pthread_mutex_lock(&file->lock);
	while (i < file->links_n && file->links[i] != link)
		i++;
	if (i == file->links_n) {
		rc = i < LINKS_MAX ? interface_write(file, link) : -E2BIG;
		if (rc == 0)
			file->links[file->links_n++] = link;
	}
	pthread_mutex_unlock(&file->lock);
	sv->interface = i;
	sv->link_next = rc == 0 ? link + 1u : 0;
	return rc;
}

static void append(struct saver *sv, const struct packet *pkt)
{
	uint32_t padded = (pkt->caplen + 3) & ~3u, total = BLOCK_HEAD + padded + 4;
	uint8_t *p;

	if (total > BUFFER - sv->used)
		saver_flush(sv);
	p = sv->buffer + sv->used;
	sv->used += total;
	p = put32(p, BLOCK_PACKET);
	p = put32(p, total);
	p = put32(p, sv->interface);
	p = put32(p, (uint32_t)(pkt->ts_recv_ns >> 32));
	p = put32(p, (uint32_t)pkt->ts_recv_ns);
	p = put32(p, pkt->caplen);
	p = put32(p, pkt->wire_len);
	memcpy(p, pkt->data, pkt->caplen);
	memset(p + pkt->caplen, 0, padded - pkt->caplen);
	put32(p + padded, total);
	sv->held++;
}

void saver_take(struct saver *sv, const struct packet *pkts, unsigned n)
{
	for (const struct packet *pkt = pkts; pkt < pkts + n; pkt++) {
		if (pkt->kind != PACKET_FRAME)
			continue;
		sv->entered++;
		if (pkt->caplen > BUFFER - BLOCK_HEAD - 8)
			sv->dropped[REASON_write_failed]++;
		else if (pkt->link + 1u != sv->link_next && interface_find(sv, pkt->link) < 0)
			sv->dropped[REASON_write_failed]++;
		else
			append(sv, pkt);
	}
}
