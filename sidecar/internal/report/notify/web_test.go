package notify

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// call is what a server was sent.
type call struct {
	method, url, body string
	header            http.Header
}

// redirected sends every request to one server, whatever host it was for.
type redirected struct {
	to   *url.URL
	base http.RoundTripper
}

func (r redirected) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("X-Was", req.URL.Scheme+"://"+req.URL.Host)
	req.URL.Scheme, req.URL.Host = r.to.Scheme, r.to.Host
	return r.base.RoundTrip(req)
}

// serve is a server that answers in turn, the last answer again and again, and what it was sent.
func serve(t *testing.T, answers ...string) (*http.Client, func() []call) {
	t.Helper()
	calls := make(chan call, 100)
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		calls <- call{r.Method, r.Header.Get("X-Was") + r.URL.String(), string(body), r.Header}
		code, text, _ := strings.Cut(answers[min(n, len(answers)-1)], " ")
		n++
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(map[string]int{"": 200, "204": 204, "302": 302, "307": 307, "403": 403, "500": 500}[code])
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(server.Close)
	to, err := url.Parse(server.URL)
	require.NoError(t, err)
	client := newClient("stoker/test")
	client.Transport = redirected{to, client.Transport}
	return client, func() (all []call) {
		for range len(calls) {
			all = append(all, <-calls)
		}
		return all
	}
}

func sample() Message {
	return Message{Title: "stoker: w & x", Text: "- w: idle\n- x: idle", JSON: []byte(`{"version":1}`), seq: 1}
}

func TestWhatServicesAreSent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		raw, answer string
		url, body   string
		header      map[string]string
	}{
		{"discord://tok-en@12?username=u&thread_id=7&splitlines=no", "204", "https://discord.com/api/webhooks/12/tok-en?thread_id=7",
			`{"content":"stoker: w & x\n- w: idle\n- x: idle","username":"u","flags":4,"allowed_mentions":{"parse":[]}}`, nil},
		{"slack://hook:T00000000-B00000000-XXXXXXXX@webhook?icon=fire", " ok", "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXX",
			`{"text":"stoker: w &amp; x\n- w: idle\n- x: idle","icon_emoji":"fire","mrkdwn":false,"unfurl_links":false,"unfurl_media":false}`, nil},
		{"slack://bot@T00000000/B00000000/XXXXXXXX", " ok", "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXX",
			`{"text":"stoker: w &amp; x\n- w: idle\n- x: idle","username":"bot","mrkdwn":false,"unfurl_links":false,"unfurl_media":false}`, nil},
		{"slack://xoxb:12345-67890-abcdef@C001", ` {"ok":true}`, "https://slack.com/api/chat.postMessage",
			`{"text":"stoker: w &amp; x\n- w: idle\n- x: idle","channel":"C001","mrkdwn":false,"unfurl_links":false,"unfurl_media":false}`,
			map[string]string{"Authorization": "Bearer xoxb-12345-67890-abcdef"}},
		{"telegram://1:ab@telegram?chats=@c:5&notification=no&parsemode=HTML", ` {"ok":true}`, "https://api.telegram.org/bot1:ab/sendMessage",
			`{"chat_id":"@c","message_thread_id":5,"text":"stoker: w & x\n- w: idle\n- x: idle","disable_notification":true,"disable_web_page_preview":false}`, nil},
		{"ntfy://:tk_1@ntfy.example/topic?priority=high&tags=fire,x&cache=no", ` {}`, "https://ntfy.example/",
			`{"topic":"topic","title":"stoker: w & x","message":"- w: idle\n- x: idle","priority":4,"tags":["fire","x"]}`,
			map[string]string{"Authorization": "Basic OnRrXzE=", "Cache": "no"}},
		{"ntfy://ntfy.example:81/sub/topic?scheme=http", ` {}`, "http://ntfy.example:81/sub",
			`{"topic":"topic","title":"stoker: w & x","message":"- w: idle\n- x: idle"}`, nil},
		{"gotify://push.example/sub/Atoken?priority=8&disabletls=yes", ` {}`, "http://push.example/sub/message",
			`{"title":"stoker: w & x","message":"- w: idle\n- x: idle","priority":8}`, map[string]string{"X-Gotify-Key": "Atoken"}},
		{"gotify://push.example/Atoken", ` {}`, "https://push.example/message",
			`{"title":"stoker: w & x","message":"- w: idle\n- x: idle","priority":5}`, nil},
		{"generic://hook.example/a/b?disabletls=yes&x=1&__title=y&@X-Key=v", ` ok`, "http://hook.example/a/b?title=y&x=1",
			"stoker: w & x\n- w: idle\n- x: idle", map[string]string{"Content-Type": "text/plain; charset=utf-8", "X-Key": "v"}},
		{"generic+https://hook.example?template=JSON&$to=me&messagekey=text", ` ok`, "https://hook.example/",
			`{"text":"- w: idle\n- x: idle","title":"stoker: w & x","to":"me"}`, map[string]string{"Content-Type": "application/json"}},
		{"json+http://me:pw@hook.example/a?k=v&@Authorization=", "204", "http://hook.example/a?k=v", `{"version":1}`,
			map[string]string{"Content-Type": "application/json", "User-Agent": "stoker/test"}},
		{"json+https://me:pw@hook.example/a", " ", "https://hook.example/a", `{"version":1}`, map[string]string{"Authorization": "Basic bWU6cHc="}},
	} {
		t.Run(c.raw, func(t *testing.T) {
			t.Parallel()
			client, calls := serve(t, c.answer)
			to, _, err := open(c.raw, client)
			require.NoError(t, err)
			require.NoError(t, to.send(t.Context(), sample()))
			got := calls()
			require.Len(t, got, 1)
			require.Equal(t, http.MethodPost, got[0].method)
			require.Equal(t, c.url, got[0].url)
			if json.Valid([]byte(c.body)) {
				require.JSONEq(t, c.body, got[0].body)
			} else {
				require.Equal(t, c.body, got[0].body)
			}
			for name, value := range c.header {
				require.Equal(t, value, got[0].header.Get(name))
			}
			one := sample()
			one.Text = ""
			require.NoError(t, to.send(t.Context(), one), "a message may be one line")
		})
	}
}

func TestServicesThatSayNo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ raw, answer, what string }{
		{"telegram://1:abcdefgh@telegram?chats=c", ` {"ok":false,"description":"chat not found"}`, "the service says: chat not found"},
		{"telegram://1:abcdefgh@telegram?chats=c", "403 bot1:abcdefgh was kicked", "the server answered 403 Forbidden: bot*** was kicked"},
		{"telegram://1:abcdefgh@telegram?chats=c", " <html>login</html>", "the server's answer is not its API's; is there a proxy in between?"},
		{"slack://xoxb:12345-67890-abcdef@C001", ` {"ok":false,"error":"channel_not_found"}`, "the service says: channel_not_found"},
		{"json+https://hook.example/", "302", "the server answered 302 Found"},
		{"json+https://hook.example/", "307", "the server answered 307 Temporary Redirect"},
		{"json+https://hook.example/", "500 " + strings.Repeat("x", 1<<20), "the server answered 500 Internal Server Error: " + strings.Repeat("x", 199) + "…"},
	} {
		client, calls := serve(t, c.answer)
		to, m, err := open(c.raw, client)
		require.NoError(t, err)
		err = to.send(t.Context(), sample())
		require.Error(t, err)
		require.Equal(t, c.what, explain(err, m).what)
		require.NotEmpty(t, explain(err, m).todo)
		require.Len(t, calls(), 1, "redirects are not followed")
	}
}

func TestChatsThatHaveItAreNotSentItAgain(t *testing.T) {
	t.Parallel()
	client, calls := serve(t, ` {"ok":true}`, "500", ` {"ok":true}`)
	to, _, err := open("telegram://1:ab@telegram?chats=a,b,c", client)
	require.NoError(t, err)
	require.Error(t, to.send(t.Context(), sample()))
	require.NoError(t, to.send(t.Context(), sample()))
	var chats []string
	for _, c := range calls() {
		var sent telegramJSON
		require.NoError(t, json.Unmarshal([]byte(c.body), &sent))
		chats = append(chats, sent.Chat)
	}
	require.Equal(t, []string{"a", "b", "b", "c"}, chats)
}

func TestSelfSignedServersWhereAskedFor(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	t.Cleanup(server.Close)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that are meant to fail
	server.StartTLS()
	host := strings.TrimPrefix(server.URL, "https://")
	for raw, ok := range map[string]bool{
		"gotify://" + host + "/Atoken": false, "gotify://" + host + "/Atoken?insecureskipverify=yes": true,
		"ntfy://" + host + "/topic": false, "ntfy://" + host + "/topic?disabletlsverification=yes": true,
	} {
		to, m, err := open(raw, newClient("x"))
		require.NoError(t, err)
		err = to.send(t.Context(), sample())
		require.Equal(t, ok, err == nil, raw)
		if err != nil {
			require.Contains(t, explain(err, m).todo, "SSL_CERT_FILE")
		}
	}
}

func TestOptionsAreRead(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"discord://t@1?colour=1", "discord://t@abc", "discord://t/x@1", "slack://hook:T-B-X@webhook", "telegram://1:ab@telegram", "telegram://x@telegram?chats=a",
		"telegram://1:ab@telegram?chats=a&preview=perhaps", "ntfy://topic", "ntfy://h/t?priority=9", "ntfy://h/t?scheme=ftp", "gotify://h",
		"gotify://h/t?priority=x", "gotify://h/t?disabletls=x", "json+https:///x", "json+https://h/?@a%20b=c", "generic://h?template=xml", "generic://h?method=DELETE",
		"generic://h?a=%zz", "smtp://h/?to=a@b.example", "smtp://h/?from=a@b.example", "smtp://h/?from=a@b.example&to=nobody",
		"smtp://h/?from=a@b.example&to=c@d.example&auth=magic", "smtp://h/?from=a@b.example&to=c@d.example&encryption=rot13",
		"smtp://h/?from=a@b.example&to=c@d.example&starttls=x", "mattermost://h", "logger://",
	} {
		_, _, err := open(raw, nil)
		require.Error(t, err, raw)
	}
}
