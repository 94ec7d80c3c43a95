// Package ping fetches a URL while Stoker does its work. The service behind it, such as Healthchecks.io or Uptime Kuma, raises the alarm when
// that ceases: a host that is down cannot report it.
package ping

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	// timeout bounds one fetch, to the end of its answer.
	timeout = 10 * time.Second
	// mostBody is how much of an answer is read. Its content does not matter.
	mostBody = 64 << 10
	// recheck is the time between two checks whether Stoker is healthy again.
	recheck = time.Second
)

// Options configure what is fetched, and when.
type Options struct {
	URL     string // a secret; empty fetches nothing
	Every   time.Duration
	Agent   string
	Healthy func() bool // Stoker is connected to the engine, and its loop turns
	// OnResult is called after each fetch. The error holds nothing of the URL.
	OnResult func(err error)
	Client   *http.Client // nil is the default one
}

// Run fetches until ctx ends: at once when Stoker is healthy, then every so often as long as it is.
func Run(ctx context.Context, o Options) {
	if o.URL == "" {
		return
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if !o.Healthy() {
			timer.Reset(min(recheck, o.Every))
			continue
		}
		began := time.Now()
		err := o.fetch(ctx)
		if ctx.Err() != nil {
			return
		}
		o.OnResult(err)
		timer.Reset(max(o.Every-time.Since(began), 0))
	}
}

func (o Options) fetch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, o.URL, nil)
	if err != nil {
		return errors.New("STOKER_PING is no URL")
	}
	request.Header.Set("User-Agent", o.Agent)
	client := o.Client
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		return withoutURL(err)
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, mostBody)) // so that the connection can be kept
	if response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("the answer is %s", response.Status)
	}
	return nil
}

// withoutURL is an error of the HTTP client without the URL that it repeats.
func withoutURL(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}
