package api

import (
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/query/admit"
	"github.com/valyala/fasthttp"
)

// handleQueries is GET /admin/queries: what this node is asked at the moment.
func handleQueries(r *request) error {
	queries, leaves := r.server.cfg.Engine.Queries()
	now := r.server.cfg.Now()
	r.sendData(fasthttp.StatusOK, v1.Queries{Queries: shownQueries(queries, now), Leaves: shownQueries(leaves, now)})
	return nil
}

// shownQueries returns queries as answers have them.
func shownQueries(queries []admit.Query, now time.Time) []v1.Query {
	shown := []v1.Query{}
	for _, q := range queries {
		one := v1.Query{ID: q.ID, Tenant: string(q.Tenant), By: q.Who, Query: q.Text, State: v1.QueryWaiting, Since: q.Since.UTC(),
			Elapsed: now.Sub(q.Since).Milliseconds(), MemoryLimit: q.Memory}
		if !q.Started.IsZero() {
			one.State = v1.QueryRunning
		}
		shown = append(shown, one)
	}
	return shown
}

// handleKillQuery is DELETE /admin/queries/{id}.
func handleKillQuery(r *request) error {
	id, _ := r.ctx.UserValue("id").(string)
	if !r.server.cfg.Engine.Kill(id) {
		return newProblem(kindNotFound, "no query %.50q runs or waits on this node", id)
	}
	r.server.cfg.Logger.Info("query ended", "query", id, "by", r.principal.Name, "request_id", r.id)
	r.sendData(fasthttp.StatusOK, map[string]string{"id": id, "state": "ended"})
	return nil
}

// watchEvery is how often it is looked whether a client is still there.
const watchEvery = 200 * time.Millisecond

// watchClient calls gone when the client closes the connection; what it returns
// ends the watch. The connection is only looked at: what has arrived stays for
// whoever reads it.
func watchClient(conn net.Conn, gone func()) (stop func()) {
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return func() {} // nothing tells; the time limit ends the work
	}
	control, err := raw.SyscallConn()
	if err != nil {
		return func() {}
	}
	var mu sync.Mutex
	var timer *time.Timer
	stopped := false
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(watchEvery, func() {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case stopped:
		case closed(control):
			gone()
		default:
			timer.Reset(watchEvery)
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		timer.Stop()
	}
}

// closed reports whether the other side has closed a connection.
func closed(control syscall.RawConn) (closed bool) {
	err := control.Control(func(fd uintptr) {
		var one [1]byte
		n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		closed = err == nil && n == 0 || err == syscall.ECONNRESET
	})
	return closed || err != nil
}
