package stream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"

	"github.com/stere-log/stere/query/tail"
)

const (
	bufferBytes  = 32 << 10
	writeTimeout = 30 * time.Second // of one event, or one piece of a body
	messageMax   = 4 << 10          // bytes of a client's message, which nobody reads
	pingInterval = 15 * time.Second
)

// Source gives the events of a tail: *tail.Tail.
type Source interface {
	Next(ctx context.Context) (tail.Event, error)
}

// reasonOf says why a tail ends.
func reasonOf(err error) string {
	switch {
	case errors.Is(err, tail.ErrClosed):
		return "the node stops; go on with the last id on another one"
	case errors.Is(err, context.Canceled):
		return "closed"
	}
	return err.Error()
}

// watch returns a context that ends when the client closes the connection, and a
// function that ends the watch.
func watch(ctx context.Context, conn net.Conn) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		var buffer [512]byte
		for { // what a client sends after its request is nobody's business
			if _, err := conn.Read(buffer[:]); err != nil {
				return
			}
		}
	}()
	return ctx, func() {
		_ = conn.SetReadDeadline(time.Unix(1, 0)) // a broken connection ends the watch too
		<-done
	}
}

// timedConn bounds how long each write waits for the client.
type timedConn struct{ net.Conn }

// Write implements io.Writer.
func (c timedConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// Header is the head of an answer: names and values in turn.
type Header []string

func (h Header) write(w *bufio.Writer) {
	_, _ = w.WriteString("HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-store\r\n")
	for i := 0; i+1 < len(h); i += 2 {
		_, _ = w.WriteString(h[i] + ": " + h[i+1] + "\r\n") // Flush tells of errors
	}
	_, _ = w.WriteString("\r\n")
}

// Events sends a tail as Server-Sent Events until it, the client or the context
// ends.
func Events(ctx context.Context, conn net.Conn, header Header, source Source) error {
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	ctx, stop := watch(ctx, conn)
	defer stop()
	w := bufio.NewWriterSize(timedConn{conn}, bufferBytes)
	header = append(header, "Content-Type", "text/event-stream; charset=utf-8", "X-Accel-Buffering", "no")
	header.write(w)
	if err := w.Flush(); err != nil {
		return err
	}
	var scratch []byte
	for {
		event, err := source.Next(ctx)
		if err != nil {
			writeEvent(w, TypeEnd, "", appendEnd(scratch[:0], reasonOf(err)))
			return w.Flush()
		}
		for _, line := range event.Lines {
			writeEvent(w, "", line.Cursor, line.Text(renderRecord))
		}
		if event.Dropped > 0 {
			scratch = appendDropped(scratch[:0], &event)
			writeEvent(w, TypeDropped, event.Cursor, scratch)
		}
		for _, missing := range event.Missing {
			scratch = appendMissing(scratch[:0], missing)
			writeEvent(w, TypeMissing, event.Cursor, scratch)
		}
		if isHeartbeat(&event) {
			scratch = appendHeartbeat(scratch[:0], &event, time.Now())
			writeEvent(w, TypeHeartbeat, event.Cursor, scratch)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
}

// writeEvent writes an event; records have no type of their own, as browsers
// expect of messages. JSON has no line breaks.
func writeEvent(w *bufio.Writer, kind, id string, data []byte) {
	if id != "" {
		_, _ = w.WriteString("id: ")
		_, _ = w.WriteString(id)
		_ = w.WriteByte('\n')
	}
	if kind != "" {
		_, _ = w.WriteString("event: " + kind + "\n")
	}
	_, _ = w.WriteString("data: ")
	_, _ = w.Write(data)
	_, _ = w.WriteString("\n\n") // Flush tells of errors
}

// IsUpgrade reports whether a request asks for a WebSocket.
func IsUpgrade(ctx *fasthttp.RequestCtx) bool { return websocket.FastHTTPIsWebSocketUpgrade(ctx) }

// Upgrade makes the connection of a request a WebSocket and calls serve on its
// goroutine.
func Upgrade(ctx *fasthttp.RequestCtx, serve func(conn *Socket)) error {
	upgrader := websocket.FastHTTPUpgrader{ReadBufferSize: messageMax, WriteBufferSize: bufferBytes}
	return upgrader.Upgrade(ctx, func(conn *websocket.Conn) { serve(&Socket{conn}) })
}

// Socket is a WebSocket to a client.
type Socket struct{ conn *websocket.Conn }

// Messages sends a tail as text messages until it, the client or the context ends.
func (s *Socket) Messages(ctx context.Context, source Source) error {
	ctx, cancel := context.WithCancel(ctx)
	s.conn.SetReadLimit(messageMax)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		defer cancel()
		for {
			if _, _, err := s.conn.NextReader(); err != nil {
				return
			}
		}
	}()
	defer func() {
		cancel()
		_ = s.conn.SetReadDeadline(time.Unix(1, 0)) // ends the reader; who has the connection closes it
		<-gone
	}()
	for pinged := time.Now(); ; {
		event, err := source.Next(ctx)
		if err != nil {
			text := appendEnd([]byte(`{"type":"end","data":`), reasonOf(err))
			_ = s.send(append(text, '}'))
			return s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseGoingAway, ""), time.Now().Add(time.Second))
		}
		for _, line := range event.Lines {
			if err := s.send(message(TypeRecord, line.Cursor, line.Text(renderRecord))); err != nil {
				return err
			}
		}
		if event.Dropped > 0 {
			err = s.send(message(TypeDropped, event.Cursor, appendDropped(nil, &event)))
		}
		for _, missing := range event.Missing {
			if err == nil {
				err = s.send(message(TypeMissing, event.Cursor, appendMissing(nil, missing)))
			}
		}
		if err == nil && isHeartbeat(&event) {
			err = s.send(message(TypeHeartbeat, event.Cursor, appendHeartbeat(nil, &event, time.Now())))
		}
		if err == nil && time.Since(pinged) > pingInterval {
			pinged = time.Now()
			err = s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeTimeout))
		}
		if err != nil {
			return err
		}
	}
}

// message returns the text of an event.
func message(kind, id string, data []byte) []byte {
	text := append(append([]byte(`{"type":"`), kind...), `","id":"`...)
	text = append(append(text, id...), `","data":`...)
	return append(append(text, data...), '}')
}

func (s *Socket) send(text []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	return s.conn.WriteMessage(websocket.TextMessage, text)
}

// Body sends a body that write makes piece by piece. If that fails, the body does
// not end as it should, so that no client takes it for whole.
func Body(ctx context.Context, conn net.Conn, header Header, write func(ctx context.Context, w io.Writer) error) error {
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	ctx, stop := watch(ctx, conn)
	defer stop()
	w := bufio.NewWriterSize(timedConn{conn}, bufferBytes)
	header = append(header, "Transfer-Encoding", "chunked")
	header.write(w)
	chunked := httputil.NewChunkedWriter(w)
	pieces := bufio.NewWriterSize(chunked, bufferBytes)
	err := write(ctx, pieces)
	if err == nil {
		err = pieces.Flush()
	}
	if err != nil {
		_ = w.Flush() // what is there may go on its way
		return fmt.Errorf("send body: %w", err)
	}
	if err := chunked.Close(); err != nil {
		return err
	}
	if _, err := w.WriteString("\r\n"); err != nil {
		return err
	}
	return w.Flush()
}
