package app

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/workerimage/internal/heartbeat"
)

func TestHealthEndpoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "beat")
	ask := func(target string, maxAge time.Duration) *httptest.ResponseRecorder {
		answer := httptest.NewRecorder()
		healthHandler(path, maxAge).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, target, http.NoBody))
		return answer
	}
	before := ask("/health", time.Minute)
	require.Equal(t, http.StatusServiceUnavailable, before.Code)
	require.Contains(t, before.Body.String(), "no heartbeat yet")

	heartbeat.New(path, func(err error) { t.Error(err) }).Start()
	beating := ask("/health", time.Minute)
	require.Equal(t, http.StatusOK, beating.Code)
	require.Equal(t, "healthy\n", beating.Body.String())
	require.Equal(t, http.StatusServiceUnavailable, ask("/health", -time.Minute).Code, "too old")
	require.Equal(t, http.StatusNotFound, ask("/", time.Minute).Code)
}
