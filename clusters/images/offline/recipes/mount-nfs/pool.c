#define _GNU_SOURCE
#include "pool.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nfsc/libnfs-zdr.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum {
	TICK_MS = 500,                  /* how often a waiting call looks up */
	MOUNT_MS = 8000,                /* bound of one attempt to mount the export */
	PAUSE_LEAST_MS = 50,            /* between attempts to reconnect, doubling ... */
	PAUSE_MOST_MS = 1000,           /* ... up to this */
	SILENCE_MS = 10000,             /* a call that waits longer is worth a log line */
	BUSY_MS = 1000,                 /* the server said "try later" (NFS3ERR_JUKEBOX) */
	DEAD_PEER_MS = 60000,           /* a host that vanished without a word */
};

struct connection {
	struct nfs_context *nfs;        /* NULL while it is lost */
	pthread_mutex_t lock;
	struct caller caller;           /* whom `nfs` speaks for */
	const struct caller *wanted;    /* whom the call in hand is for */
	int64_t begun;                  /* monotonic ms: when the call in hand began */
	int64_t deadline;               /* monotonic ms: when the call in hand fails */
	int pause_ms;
};

static struct connection pool[MAX_CONNECTIONS];
static const struct options *settings;
static char host_name[64];
static atomic_uint next_to_wait_for;
static atomic_bool silent;              /* the server is known not to answer */
static bool (*stopping)(void);

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void sleep_ms(int64_t milliseconds)
{
	struct timespec pause = { milliseconds / 1000, milliseconds % 1000 * 1000000 };

	if (milliseconds > 0)
		nanosleep(&pause, NULL);
}

static bool given_up(const struct connection *connection)
{
	return (stopping && stopping()) || now_ms() >= connection->deadline;
}

static int failure(void)
{
	return stopping && stopping() ? -EIO : -settings->soft_errno;
}

/* Pause before another attempt, longer each time, but not past the deadline.
 * libnfs alone would try again at once and burn a processor. */
static void pause_before_retry(struct connection *connection)
{
	int64_t left = connection->deadline - now_ms();

	sleep_ms(left < connection->pause_ms ? left : connection->pause_ms);
	connection->pause_ms = connection->pause_ms * 2 < PAUSE_MOST_MS ? connection->pause_ms * 2 : PAUSE_MOST_MS;
}

/* A host that was switched off sends no reset: without this a hard mount
 * would wait on a dead connection after the server is back. */
static void watch_peer(int fd)
{
	int on = 1, idle = 10, interval = 10, probes = 5, limit = DEAD_PEER_MS;
	int watched = 0;
	socklen_t length = sizeof watched;

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &watched, &length) || watched)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, sizeof limit);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

void reply_arrived(int status, struct nfs_context *context, void *data, void *private_data)
{
	struct reply *reply = private_data;
	size_t size;

	(void)context;
	reply->finished = true;
	reply->status = status;
	if (status < 0)
		return;
	switch (reply->kind) {
	case REPLY_STATUS:
		break;
	case REPLY_COPY:
		memcpy(reply->out, data, reply->room);
		break;
	case REPLY_BYTES:
		size = (size_t)status < reply->room ? (size_t)status : reply->room;
		memcpy(reply->out, data, size);
		reply->status = (int)size;
		break;
	case REPLY_TEXT:
		snprintf(reply->out, reply->room, "%s", (const char *)data);
		break;
	case REPLY_POINTER:
		*(void **)reply->out = data;
		break;
	}
}

/* Drop the context. Calls still queued on it get their callbacks now, so
 * their replies must still be alive. */
static void lose(struct connection *connection)
{
	if (connection->nfs)
		nfs_destroy_context(connection->nfs);
	connection->nfs = NULL;
}

static void report_silence(const struct connection *connection)
{
	if (now_ms() - connection->begun > SILENCE_MS && !atomic_exchange(&silent, true))
		syslog(LOG_DAEMON | LOG_WARNING, "server %s not responding, %s", settings->server,
		       settings->soft ? "calls will fail" : "still trying");
}

static void report_answer(void)
{
	if (atomic_load(&silent) && atomic_exchange(&silent, false))
		syslog(LOG_DAEMON | LOG_NOTICE, "server %s OK", settings->server);
}

/* Drive the connection until the reply is there. False: it is broken, or
 * the call's time is over; the call may still be queued. */
static bool drive(struct connection *connection, struct reply *reply)
{
	watch_peer(nfs_get_fd(connection->nfs));
	while (!reply->finished) {
		struct pollfd socket = {
			.fd = nfs_get_fd(connection->nfs),
			.events = (short)nfs_which_events(connection->nfs),
		};
		int ready = poll(&socket, 1, TICK_MS);

		if (ready < 0 && errno != EINTR)
			return false;
		if (ready <= 0) {
			if (socket.fd < 0 || given_up(connection))
				return false;
			watch_peer(socket.fd);
			report_silence(connection);
			continue;
		}
		if (socket.revents & POLLNVAL)
			return false;
		if (socket.revents & (POLLERR | POLLHUP)) {
			if (given_up(connection))
				return false;
			report_silence(connection);
			pause_before_retry(connection);
		}
		if (nfs_service(connection->nfs, socket.revents) < 0)
			return reply->finished;
	}
	return true;
}

static void speak_for(struct connection *connection, const struct caller *caller)
{
	if (connection->caller.uid == caller->uid && connection->caller.gid == caller->gid &&
	    connection->caller.group_count == caller->group_count &&
	    !memcmp(connection->caller.groups, caller->groups, caller->group_count * sizeof caller->groups[0]))
		return;
	connection->caller = *caller;
	nfs_set_auth(connection->nfs,
		     libnfs_authunix_create(host_name, caller->uid, caller->gid, caller->group_count,
					    connection->caller.groups));
}

/* Mount the export once, within `limit` of monotonic ms. */
static bool connect_once(struct connection *connection, int64_t limit, char *error, size_t room)
{
	struct reply reply = { .kind = REPLY_STATUS };
	struct nfs_url *url;
	char arguments[128];
	int length;
	int64_t deadline = connection->deadline;

	length = snprintf(arguments, sizeof arguments,
			  "nfs://server/export/?version=3&dircache=0&auto-traverse-mounts=0");
	if (settings->port)
		length += snprintf(arguments + length, sizeof arguments - (size_t)length,
				   "&nfsport=%d", settings->port);
	if (settings->mount_port)
		snprintf(arguments + length, sizeof arguments - (size_t)length,
			 "&mountport=%d", settings->mount_port);

	connection->nfs = nfs_init_context();
	if (!connection->nfs) {
		snprintf(error, room, "out of memory");
		return false;
	}
	/* libnfs takes these settings from a URL only; server and export go
	 * to nfs_mount_async() as they are. */
	url = nfs_parse_url_dir(connection->nfs, arguments);
	if (!url) {
		snprintf(error, room, "%s", nfs_get_error(connection->nfs));
		lose(connection);
		return false;
	}
	nfs_destroy_url(url);
	nfs_umask(connection->nfs, 0);
	nfs_set_timeout(connection->nfs, -1);

	connection->deadline = limit;
	if (nfs_mount_async(connection->nfs, settings->server, settings->export, reply_arrived, &reply))
		snprintf(error, room, "%s", nfs_get_error(connection->nfs));
	else if (!drive(connection, &reply) && given_up(connection))
		snprintf(error, room, "no answer from the server within %d s", MOUNT_MS / 1000);
	else if (!reply.finished || reply.status == -EFAULT || reply.status == -EINTR)
		snprintf(error, room, "no connection to the server's rpcbind, mountd or nfsd: %s",
			 nfs_get_error(connection->nfs));
	else if (reply.status < 0)
		snprintf(error, room, "the server refused the export: %s", nfs_get_error(connection->nfs));
	connection->deadline = deadline;
	if (!reply.finished || reply.status < 0) {
		lose(connection);
		return false;
	}
	nfs_set_autoreconnect(connection->nfs, -1);
	connection->caller = (struct caller){ .uid = UINT32_MAX };
	return true;
}

struct nfs_context *connection_ready(struct connection *connection, struct reply *reply)
{
	char error[256];

	while (!connection->nfs) {
		int64_t limit = now_ms() + MOUNT_MS;

		if (given_up(connection)) {
			reply->status = failure();
			return NULL;
		}
		if (limit > connection->deadline)
			limit = connection->deadline;
		if (!connect_once(connection, limit, error, sizeof error)) {
			report_silence(connection);
			pause_before_retry(connection);
		}
	}
	speak_for(connection, connection->wanted);
	reply->finished = false;
	return connection->nfs;
}

bool connection_answered(struct connection *connection, int queued, struct reply *reply)
{
	bool driven = queued == 0 && drive(connection, reply);

	/* libnfs answers EFAULT to the calls of a connection that it lost, and
	 * EINTR to those that it cancelled; no server says either. */
	if (driven && reply->status != -EFAULT && reply->status != -EINTR) {
		if (reply->status == -EAGAIN && !given_up(connection)) {
			sleep_ms(BUSY_MS);
			return false;
		}
		connection->pause_ms = PAUSE_LEAST_MS;
		report_answer();
		return true;
	}
	lose(connection);
	if (given_up(connection)) {
		reply->status = failure();
		return true;
	}
	return false;
}

struct connection *pool_take(const struct caller *caller)
{
	struct connection *connection = NULL;

	/* Lowest first: one that stays busy keeps its congestion window. */
	for (int i = 0; i < settings->connections && !connection; i++)
		if (!pthread_mutex_trylock(&pool[i].lock))
			connection = &pool[i];
	if (!connection) {
		unsigned int turn = atomic_fetch_add(&next_to_wait_for, 1);

		connection = &pool[turn % (unsigned int)settings->connections];
		pthread_mutex_lock(&connection->lock);
	}
	connection->wanted = caller;
	connection->begun = now_ms();
	/* nfs(5): a soft call fails after `retrans` repeats, each `timeo` later. */
	connection->deadline = settings->soft
		? connection->begun + (int64_t)settings->timeo * 100 * (settings->retrans + 1)
		: INT64_MAX;
	return connection;
}

void pool_give(struct connection *connection)
{
	pthread_mutex_unlock(&connection->lock);
}

void pool_stop_when(bool (*predicate)(void))
{
	stopping = predicate;
}

bool pool_open(struct options *options, char *error, size_t room)
{
	int64_t limit = now_ms() + MOUNT_MS;
	uint64_t read_most, write_most;

	settings = options;
	if (gethostname(host_name, sizeof host_name))
		snprintf(host_name, sizeof host_name, "localhost");
	host_name[sizeof host_name - 1] = '\0';
	for (int i = 0; i < options->connections; i++) {
		pthread_mutex_init(&pool[i].lock, NULL);
		pool[i].pause_ms = PAUSE_LEAST_MS;
		if (!connect_once(&pool[i], limit, error, room))
			return false;
	}
	read_most = nfs_get_readmax(pool[0].nfs);
	write_most = nfs_get_writemax(pool[0].nfs);
	if (read_most >= 4096 && read_most < (uint64_t)options->rsize)
		options->rsize = (int)(read_most / 4096 * 4096);
	if (write_most >= 4096 && write_most < (uint64_t)options->wsize)
		options->wsize = (int)(write_most / 4096 * 4096);
	return true;
}
