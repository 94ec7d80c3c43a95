package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/test/queuetest"
)

// odd returns passwords that contain the end of a URL part, or are escaped in a URL. Each contains ter2.
func odd() []string {
	return []string{"hunter2", "hun/ter2", "hun@ter2", "hun:ter2", "hun?ter2", "hun#ter2", "hun%ter2", "hun&ter2", "hun+ter2", "hün ter2", `hun"ter2`, "hun\r\nter2", "%74er2"}
}

// withSecrets returns every kind of source on a server, with the secret in all parts that may hold one.
func withSecrets(address, secret string) []string {
	login := url.UserPassword("u"+secret, secret).String() + "@" + address
	token := url.QueryEscape(secret)
	return []string{
		"amqp://" + login + "/v?queue=q", "amqps://" + login + "?queue=q", "rabbitmq+http://" + login + "?queue=q", "rabbitmq+https://" + login + "?queue=q",
		"redis://" + login + "?list=q", "redis://" + login + "/1?stream=s&group=g", "rediss://" + login + "?list=q",
		"prometheus+http://" + login + "?query=q(&token=" + token, "prometheus+https://" + login + "/b?query=q(&token=" + token,
		"http+json://" + login + "?value=q&token=" + token, "https+json://" + login + "/p?value=q&token=" + token,
	}
}

// echo answers with all that it received, in every field that an error might quote.
func echo(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		received := fmt.Sprintf("%s %s %s %s", r.RequestURI, user, password, r.URL.Query().Get("token"))
		w.Header().Set("Location", "http://"+url.QueryEscape(password)+".example/"+r.URL.RawQuery)
		w.Header().Set("Content-Type", received)
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{
			"status": "error", "error": received, "reason": received, "q": received, "messages_ready": received, "data": map[string]any{"resultType": received},
		})
	}
}

func TestSecretsStaySecret(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	greeter, _ := silent(t, "hello\r\n")
	hanging, _ := silent(t, "")
	addresses := map[string]string{"closed": closed.Addr().String(), "greeter": greeter, "hanging": hanging, "no name": "no-such-host.invalid:1"}
	for _, status := range []int{200, 302, 400, 401, 403, 404, 500} {
		addresses[fmt.Sprint("echo ", status)] = serve(t, echo(status))
	}
	p := newPool(t, Options{})
	for name, address := range addresses {
		t.Run(name, func(t *testing.T) {
			secrets := odd()
			if name == "no name" {
				secrets = secrets[:2] // each request takes some time
			}
			for _, secret := range secrets {
				for _, text := range withSecrets(address, secret) {
					limit := 5 * time.Second
					if name == "hanging" || strings.HasPrefix(name, "echo") && strings.Contains(text, "amqp") || strings.Contains(text, "rediss") {
						limit = 10 * time.Millisecond // this tests the timeout
					}
					staysSecret(t, p, text, limit)
				}
			}
		})
	}
}

// staysSecret requires an error without a secret, however it is printed.
func staysSecret(t *testing.T, p *Pool, text string, limit time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	s, err := demand.ParseSource(text)
	require.NoError(t, err)
	_, err = p.Ask(ctx, s)
	require.Error(t, err, s)
	encoded, _ := json.Marshal(err)
	printed := fmt.Sprintf("%v %+v %#v %q %s %v", err, err, err, err, encoded, fmt.Errorf("wrapped: %w", err))
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		printed += fmt.Sprintf(" %+v %#v", inner, inner)
	}
	for _, part := range []string{"ter2", s.Reveal().Password, s.Reveal().User} {
		require.NotContains(t, printed, part)
	}
	require.NotContains(t, printed, "\n")
}

func TestSecretsStaySecretOnRealServers(t *testing.T) {
	r := queuetest.RabbitMQ(t)
	redis := queuetest.Redis(t, []string{"requirepass other"})
	open := queuetest.Redis(t, nil)
	prometheus := queuetest.Prometheus(t)
	p := newPool(t, Options{})
	for _, secret := range odd()[1:3] {
		for address, own := range map[string]string{
			r.Address: "amqp://", r.ManagementAddress: "rabbitmq+http://", redis.Address: "redis://", open.Address: "redis://", prometheus.Address: "prometheus+http://",
		} {
			for _, text := range withSecrets(address, secret) {
				limit := 100 * time.Millisecond // to see the errors of another server
				if strings.HasPrefix(text, own) {
					limit = 10 * time.Second
				}
				staysSecret(t, p, text, limit)
			}
		}
	}
}
