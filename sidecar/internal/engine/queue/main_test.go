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

// trusted is the authority of SSL_CERT_FILE, which Go reads once in a process.
var trusted *queuetest.Authority //nolint:gochecknoglobals // as the file is

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

// newPool is a pool that has to end with the test.
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

// ask asks within as long as a poll may take.
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

// fails wants an error of a kind that says something, twice in the same words.
func fails(tb testing.TB, p *Pool, text string, kind ErrorKind, says string) {
	tb.Helper()
	_, err := ask(tb, p, text)
	var e *Error
	require.ErrorAs(tb, err, &e, text)
	require.Equal(tb, kind, e.Kind, e.Error())
	require.ErrorContains(tb, err, says)
	require.Equal(tb, source(tb, text), e.Source)
	_, again := ask(tb, p, text)
	require.EqualError(tb, again, err.Error(), "the same problem has the same words")
}
