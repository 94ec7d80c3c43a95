package notify

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"mime"
	"net"
	"net/mail"
	"strings"
	"testing"
	"time"

	"mime/quotedprintable"

	"github.com/stretchr/testify/require"
)

// mailbox is a mail server for one connection, and what it was told. Refuse is a command that it says no to.
func mailbox(t *testing.T, refuse string) (address string, told func() []string) {
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
			case refuse != "" && strings.HasPrefix(in.Text(), refuse):
				answer = "535 no " + in.Text()
			case in.Text() == "DATA":
				data, answer = true, "354 go on"
			case strings.HasPrefix(in.Text(), "EHLO"):
				answer = "250-hello\r\n250 AUTH PLAIN"
			case strings.HasPrefix(in.Text(), "AUTH"):
				answer = "235 come in"
			}
			_, _ = fmt.Fprint(conn, answer+"\r\n")
		}
	}()
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String(), func() []string { _ = listener.Close(); return <-lines }
}

func TestMail(t *testing.T) {
	t.Parallel()
	address, told := mailbox(t, "")
	to, _, err := open("smtp://user:"+secret+"@"+address+"/?from=stoker@a.example&fromname=Stoker&to=b@b.example,c+d@c.example&usehtml=yes", nil)
	require.NoError(t, err)
	m := Message{Title: "stoker: Übel & more", Text: "- w: line one\n.\n- x: " + strings.Repeat("ü", 300)}
	require.NoError(t, to.send(t.Context(), m))
	all := told()
	require.Contains(t, all, "MAIL FROM:<stoker@a.example>")
	require.Contains(t, all, "RCPT TO:<b@b.example>")
	require.Contains(t, all, "RCPT TO:<c+d@c.example>")
	require.Equal(t, "QUIT", all[len(all)-1])

	text := strings.Join(all, "\r\n")
	_, text, _ = strings.Cut(text, "DATA\r\n")
	text, _, _ = strings.Cut(text, "\r\n.\r\nQUIT")
	text = strings.ReplaceAll(text, "\r\n..", "\r\n.")
	letter, err := mail.ReadMessage(strings.NewReader(text))
	require.NoError(t, err)
	subject, err := new(mime.WordDecoder).DecodeHeader(letter.Header.Get("Subject"))
	require.NoError(t, err)
	require.Equal(t, m.Title, subject)
	require.Equal(t, `"Stoker" <stoker@a.example>`, letter.Header.Get("From"))
	_, err = letter.Header.Date()
	require.NoError(t, err)
	body, err := io.ReadAll(quotedprintable.NewReader(letter.Body))
	require.NoError(t, err)
	require.Equal(t, m.whole(), strings.TrimSpace(strings.ReplaceAll(string(body), "\r\n", "\n")))
}

func TestMailIsRefused(t *testing.T) {
	t.Parallel()
	for command, what := range map[string]string{
		"AUTH": "log in: 535 \"no AUTH PLAIN ***\"", "MAIL": "name the sender: 535", "RCPT": "name a recipient: 535", "DATA": "begin the mail: 535",
	} {
		address, _ := mailbox(t, command)
		to, m, err := open("smtp://user:"+secret+"@"+address+"/?from=a@b.example&to=c@d.example", nil)
		require.NoError(t, err)
		c := explain(to.send(t.Context(), sample()), m)
		require.Contains(t, c.what, what)
		quietOn(t, c.what)
		require.NotContains(t, c.what, "dXNlc", "base64 of user and password")
	}
	address, _ := mailbox(t, "")
	to, m, err := open("smtp://"+address+"/?from=a@b.example&to=c@d.example&encryption=ExplicitTLS", nil)
	require.NoError(t, err)
	require.Contains(t, explain(to.send(t.Context(), sample()), m).what, "no STARTTLS")
}

func TestMailServersThatSayNothing(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	to, m, err := open("smtp://"+listener.Addr().String()+"/?from=a@b.example&to=c@d.example", nil)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.Equal(t, "no answer in time", explain(to.send(ctx, sample()), m).what)
}
