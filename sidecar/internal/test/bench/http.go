package main

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"regexp"
)

// engineTransport dials the engine for every request, whatever its address.
func engineTransport(target *url.URL) *http.Transport {
	network, address := target.Scheme, target.Host
	if network == "unix" {
		address = target.Path
	}
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
}

func serveUnix(server *http.Server, socket string) error {
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	go func() { _ = server.Serve(listener) }() // ends with server.Close
	return nil
}

// freeAddress returns an address of loopback that no process listens on now.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// returnsOK reports whether a GET request returns 200.
func returnsOK(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	return response.Body.Close() == nil && response.StatusCode == http.StatusOK
}

// kindOf returns a path without its version and IDs.
func kindOf(path string) string {
	path = regexp.MustCompile(`^/v[0-9.]+`).ReplaceAllString(path, "")
	return regexp.MustCompile(`^/containers/[^/]{12,}`).ReplaceAllString(path, "/containers/{id}")
}
