package docker

import (
	"encoding/base64"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

const reachable = `{"Id":"` + testID + `","Name":"/w","State":{"Status":"running","Running":true},
"HostConfig":{"NetworkMode":"front","Tmpfs":{"/tmp/":"size=1m"}},
"Mounts":[{"Type":"tmpfs","Destination":"/run"},{"Type":"volume","Destination":"/data"}],
"Config":{"ExposedPorts":{"9000/tcp":{},"8000/tcp":{},"53/udp":{}}},
"NetworkSettings":{"Networks":{
 "front":{"NetworkID":"f1","IPAddress":"172.18.0.2","GlobalIPv6Address":"fd00::2"},
 "rear":{"NetworkID":"","IPAddress":"10.0.0.2"},"none":{"NetworkID":"n1"},"gone":null}}}`

func TestWhereAContainerIs(t *testing.T) {
	want := worker.Reach{Endpoints: []worker.Endpoint{
		{Network: "rear", Addresses: []string{"10.0.0.2"}}, {Network: "f1", Addresses: []string{"172.18.0.2", "fd00::2"}},
	}}
	c, _ := newFake(t, replies(200, reachable))
	got, err := c.ReachOf(t.Context(), testID)
	require.NoError(t, err)
	require.Equal(t, want, got)
	s := c.Do(t.Context(), action(worker.Inspect)).Snapshot
	require.Equal(t, want, s.Reach)
	require.Equal(t, []string{"/run", "/tmp"}, s.Unseen)
	require.Equal(t, []int{8000, 9000}, s.Ports)

	c, _ = newFake(t, replies(200, `{"Id":"`+testID+`","State":{},"HostConfig":{"NetworkMode":"host"},"NetworkSettings":{"Networks":{"host":{"NetworkID":"h1"}}}}`))
	got, err = c.ReachOf(t.Context(), testID)
	require.NoError(t, err)
	require.Equal(t, worker.Reach{Host: true}, got)
	c, _ = newFake(t, replies(200, `{"Id":"`+testID+`","State":{},"HostConfig":{"NetworkMode":"container:vpn"}}`))
	got, err = c.ReachOf(t.Context(), testID)
	require.NoError(t, err)
	require.Equal(t, worker.Reach{Inside: "vpn"}, got)
	c, _ = newFake(t, replies(404, `{"message":"No such container"}`))
	_, err = c.ReachOf(t.Context(), testID)
	require.ErrorIs(t, err, ErrNotFound)
}

func TestFileTime(t *testing.T) {
	stat := func(json string) *http.Response {
		r := reply(200, "")
		r.Header.Set("Api-Version", "1.41")
		r.Header.Set("X-Docker-Container-Path-Stat", base64.StdEncoding.EncodeToString([]byte(json)))
		return r
	}
	c, f := newFake(t, func(r *http.Request) (*http.Response, error) {
		switch r.URL.Query().Get("path") {
		case "/beat":
			return stat(`{"name":"beat","size":1,"mode":420,"mtime":"2026-11-29T09:55:45.5Z"}`), nil
		case "/link": // as 20.10.24 shows it: with the time of the link itself
			return stat(`{"name":"link","size":4,"mode":134218239,"mtime":"2020-01-01T00:00:00Z","linkTarget":"/beat"}`), nil
		}
		r404 := reply(404, "")
		r404.Header.Set("Api-Version", "1.41")
		return r404, nil
	})
	want := time.Date(2026, 11, 29, 9, 55, 45, 5e8, time.UTC)
	for _, file := range []string{"/beat", "/link"} {
		at, err := c.FileTime(t.Context(), testID, file)
		require.NoError(t, err)
		require.Equal(t, want, at, file)
	}
	_, err := c.FileTime(t.Context(), testID, "/no")
	require.ErrorIs(t, err, ErrNotFound)
	require.NotErrorIs(t, err, ErrDenied)
	for _, call := range f.seen() {
		require.Regexp(t, "^HEAD /v1.41/containers/"+testID+"/archive", call)
	}

	c, _ = newFake(t, denies(403))
	_, err = c.FileTime(t.Context(), testID, "/beat")
	require.ErrorIs(t, err, ErrDenied)
	require.ErrorContains(t, err, "Stoker cannot probe files in workers")
	c, _ = newFake(t, fails(errRefused))
	_, err = c.FileTime(t.Context(), testID, "/beat")
	require.Error(t, err)
	require.NotErrorIs(t, err, ErrDenied)
	require.NotErrorIs(t, err, ErrNotFound)
}
