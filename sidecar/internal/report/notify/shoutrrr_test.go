package notify

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/types"
	"github.com/stretchr/testify/require"
)

// fakeService is one of the library's: do is its Send.
type fakeService struct {
	types.Service
	do func(text string, params types.Params) error
}

func (s *fakeService) Send(text string, params *types.Params) error { return s.do(text, *params) }

func faked(do func(text string, params types.Params) error) (*shoutrrr, *atomic.Int32) {
	opened := new(atomic.Int32)
	return &shoutrrr{title: strings.Clone, open: func() (types.Service, error) {
		opened.Add(1)
		return &fakeService{do: do}, nil
	}}, opened
}

func numbered(n uint64) Message { return Message{Title: "title", Text: "text", seq: n} }

func TestLibraryCallsThatHang(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		release := make(chan error)
		l, opened := faked(func(string, types.Params) error { calls.Add(1); return <-release })
		send := func(seq uint64) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return l.send(ctx, numbered(seq))
		}
		require.ErrorIs(t, send(1), context.DeadlineExceeded)
		require.ErrorIs(t, send(1), context.DeadlineExceeded)
		require.EqualValues(t, 1, calls.Load(), "a message that is on its way is not sent again")
		require.ErrorIs(t, send(2), context.DeadlineExceeded)
		require.ErrorIs(t, send(3), context.DeadlineExceeded)
		require.ErrorIs(t, send(4), errStuck)
		require.EqualValues(t, maxStuck, calls.Load())
		for range maxStuck {
			release <- nil
		}
		require.NoError(t, send(3), "what came back late counts")
		synctest.Wait()
		go func() { release <- errors.New("no") }()
		require.EqualError(t, send(5), "send: no")
		require.EqualValues(t, maxStuck, opened.Load(), "the service is kept")
	})
}

func TestLibraryThatBreaksDown(t *testing.T) {
	t.Parallel()
	l, opened := faked(func(string, types.Params) error { panic("nil pointer") })
	require.ErrorContains(t, l.send(t.Context(), numbered(1)), "failed")
	require.ErrorContains(t, l.send(t.Context(), numbered(1)), "failed")
	require.EqualValues(t, 2, opened.Load(), "a broken service is not used again")
}

func TestTitlesOfTheLibrary(t *testing.T) {
	t.Parallel()
	var got []string
	l, _ := faked(func(text string, params types.Params) error {
		title, _ := params.Title()
		got = append(got, title+"|"+text)
		return nil
	})
	require.NoError(t, l.send(t.Context(), numbered(1)))
	require.NoError(t, l.send(t.Context(), Message{Title: "title", seq: 2}))
	l.title = nil
	require.NoError(t, l.send(t.Context(), numbered(3)))
	require.Equal(t, []string{"title|text", "|title", "|title\ntext"}, got)
}

func TestServicesOfTheLibrary(t *testing.T) {
	t.Parallel()
	bodies := make(chan string, 1)
	answer := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- r.URL.Path + " " + string(body)
		if answer != "" {
			http.Error(w, answer, http.StatusForbidden)
		}
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	to, m, err := open("mattermost://bot@"+host+"/"+secret+"/room?disabletls=yes", nil)
	require.NoError(t, err)
	require.NoError(t, to.send(t.Context(), numbered(1)))
	got := <-bodies
	require.Contains(t, got, "/hooks/"+secret)
	require.Contains(t, got, "text")
	require.Contains(t, got, "title")

	answer = "no such hook " + secret
	err = to.send(t.Context(), numbered(2))
	require.Error(t, err)
	<-bodies
	quietOn(t, explain(err, m).problem)
}

// mailbox is a mail server for one connection, and the lines that it was sent.
func mailbox(t *testing.T) (address string, sent func() []string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	lines := make(chan []string, 1)
	go func() {
		var all []string
		defer func() { lines <- all }()
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		in := bufio.NewScanner(conn)
		_, _ = fmt.Fprint(conn, "220 hello\r\n")
		for data := false; in.Scan(); {
			all = append(all, in.Text())
			answer := "250 ok"
			switch {
			case data && in.Text() == ".":
				data = false
			case data:
				continue
			case in.Text() == "DATA":
				data, answer = true, "354 go on"
			case in.Text() == "QUIT":
				answer = "221 bye"
			}
			_, _ = fmt.Fprint(conn, answer+"\r\n")
		}
	}()
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String(), func() []string { _ = listener.Close(); return <-lines }
}

func TestMail(t *testing.T) {
	t.Parallel()
	address, sent := mailbox(t)
	to, _, err := open("smtp://"+address+"/?from=stoker@a.example&fromname=Stoker&to=b@b.example&auth=None", nil)
	require.NoError(t, err)
	m := Message{Title: "stoker: Übel & more", Text: "- w: line one\n.\n- x: two"}
	require.NoError(t, to.send(t.Context(), m))
	all := sent()
	require.Contains(t, all, "MAIL FROM:<stoker@a.example>")
	require.Contains(t, all, "RCPT TO:<b@b.example>")
	var subject string
	for _, line := range all {
		if rest, ok := strings.CutPrefix(line, "Subject: "); ok {
			subject, err = new(mime.WordDecoder).DecodeHeader(rest)
			require.NoError(t, err)
		}
	}
	require.Equal(t, m.Title, subject)
	require.Contains(t, strings.Join(all, "\n"), "- w: line one")
}

func TestMatrixDoesNotLogInBeforeItHasTo(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	to, m, err := open("matrix://user:"+secret+"@"+host+"/?disableTLS=yes&rooms=!a:b", nil)
	require.NoError(t, err)
	err = to.send(t.Context(), numbered(1))
	require.Error(t, err)
	quietOn(t, explain(err, m).problem)
}
