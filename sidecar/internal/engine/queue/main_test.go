package queue

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/test/queuetest"
)

// trusted is the authority of SSL_CERT_FILE, which Go reads once per process.
var trusted *queuetest.Authority //nolint:gochecknoglobals // the file is global, too

func TestMain(m *testing.M) {
	code, err := withAuthority(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withAuthority(run func() int) (int, error) {
	dir, err := os.MkdirTemp("", "authority-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if trusted, err = queuetest.NewAuthority(); err != nil {
		return 0, err
	}
	file := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(file, trusted.PEM(), 0o600); err != nil {
		return 0, err
	}
	if err := os.Setenv("SSL_CERT_FILE", file); err != nil {
		return 0, err
	}
	return run(), nil
}

// newPool returns a pool that is closed with the test.
func newPool(tb testing.TB, o Options) *Pool {
	tb.Helper()
	p := New(o)
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(tb, p.Close(ctx))
	})
	return p
}

func source(tb testing.TB, text string) demand.Source {
	tb.Helper()
	s, err := demand.ParseSource(text)
	require.NoError(tb, err, text)
	return s
}

// ask asks with the time limit of a poll.
func ask(tb testing.TB, p *Pool, text string) (demand.Reading, error) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 10*time.Second)
	defer cancel()
	return p.Ask(ctx, source(tb, text))
}

func reads(tb testing.TB, p *Pool, text string) demand.Reading {
	tb.Helper()
	reading, err := ask(tb, p, text)
	require.NoError(tb, err)
	return reading
}

// fails requires an error of a kind that contains a text, twice with the same text.
func fails(tb testing.TB, p *Pool, url string, kind ErrorKind, text string) {
	tb.Helper()
	_, err := ask(tb, p, url)
	var e *Error
	require.ErrorAs(tb, err, &e, url)
	require.Equal(tb, kind, e.Kind, e.Error())
	require.ErrorContains(tb, err, text)
	require.Equal(tb, source(tb, url), e.Source)
	_, again := ask(tb, p, url)
	require.EqualError(tb, again, err.Error(), "the same problem has the same text")
}
