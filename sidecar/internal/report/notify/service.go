package notify

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// service is one kind of target.
type service struct {
	scheme string
	name   string
	// form is how the URL is written; capitals are placeholders.
	form string
	// openHost: the URL's host is the name of a server, and not a part of the secret.
	openHost bool
	// titled: the service shows a title apart from the text.
	titled bool
}

// services are all kinds of targets. The JSON webhook is Stoker's own, the others are those of shoutrrr.
func services() []service {
	return []service{
		{"discord", "Discord", "discord://TOKEN@WEBHOOK_ID", false, false},
		{"slack", "Slack", "slack://hook:T000-B000-XXXX@webhook or slack://xoxb:123-456-XXXX@CHANNEL", false, false},
		{"telegram", "Telegram", "telegram://BOT_TOKEN@telegram?chats=CHAT,CHAT", false, false},
		{"smtp", "mail", "smtp://USER:PASSWORD@HOST:PORT/?from=ADDRESS&to=ADDRESS,ADDRESS", true, true},
		{"ntfy", "ntfy", "ntfy://USER:PASSWORD@HOST/TOPIC, for the public server ntfy://ntfy.sh/TOPIC", true, true},
		{"gotify", "Gotify", "gotify://HOST/TOKEN", true, true},
		{"json+https", "JSON webhook", "json+https://HOST/PATH", true, false},
		{"json+http", "JSON webhook", "json+http://HOST/PATH", true, false},
		{"generic", "webhook, the text only", "generic://HOST/PATH or generic+https://HOST/PATH", true, false},
		{"generic+https", "webhook, the text only", "generic+https://HOST/PATH", true, false},
		{"generic+http", "webhook, the text only", "generic+http://HOST/PATH", true, false},
		{"bark", "Bark", "bark://DEVICE_KEY@HOST", true, true},
		{"googlechat", "Google Chat", "googlechat://chat.googleapis.com/v1/spaces/SPACE/messages?key=KEY&token=TOKEN", true, false},
		{"ifttt", "IFTTT", "ifttt://KEY/?events=EVENT", false, false},
		{"join", "Join", "join://shoutrrr:API_KEY@join/?devices=DEVICE", false, true},
		{"lark", "Lark", "lark://open.larksuite.com/TOKEN", true, false},
		{"matrix", "Matrix", "matrix://USER:PASSWORD@HOST/?rooms=!ROOM:HOST", true, false},
		{"mattermost", "Mattermost", "mattermost://USER@HOST/TOKEN/CHANNEL", true, false},
		{"notifiarr", "Notifiarr", "notifiarr://API_KEY?channel=CHANNEL_ID", false, false},
		{"opsgenie", "OpsGenie", "opsgenie://api.opsgenie.com/API_KEY", true, false},
		{"pagerduty", "PagerDuty", "pagerduty://events.pagerduty.com/INTEGRATION_KEY", true, false},
		{"pushbullet", "Pushbullet", "pushbullet://TOKEN", false, true},
		{"pushover", "Pushover", "pushover://shoutrrr:API_TOKEN@USER_KEY/", false, true},
		{"rocketchat", "Rocket.Chat", "rocketchat://USER@HOST/TOKEN_A/TOKEN_B/CHANNEL", true, false},
		{"signal", "Signal", "signal://USER:PASSWORD@HOST:PORT/SENDER_NUMBER/RECIPIENT_NUMBER", true, false},
		{"teams", "Teams", "teams://GROUP@TENANT/ALT_ID/GROUP_OWNER/EXTRA_ID?host=ORGANIZATION.webhook.office.com", false, false},
		{"wecom", "WeCom", "wecom://KEY", false, false},
		{"zulip", "Zulip", "zulip://BOT_MAIL:API_KEY@HOST/?stream=STREAM&topic=TOPIC", true, false},
	}
}

// own reports whether Stoker sends the message itself.
func (s service) own() bool { return strings.HasPrefix(s.scheme, "json+") }

func find(scheme string) (service, bool) {
	all := services()
	n := slices.IndexFunc(all, func(s service) bool { return strings.EqualFold(s.scheme, scheme) })
	if n < 0 {
		return service{}, false
	}
	return all[n], true
}

// open creates the sender for a URL. The error explains what to write, and contains nothing of the URL but its service.
func open(raw string, client *http.Client) (sender, redactor, error) {
	scheme, _, _ := strings.Cut(raw, "://")
	s, ok := find(scheme)
	r := newRedactor(raw, false)
	if !ok {
		return nil, r, fmt.Errorf("%s: its service is not known; write a URL that begins with one of %s", r.name, schemes())
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, r, fmt.Errorf("%s: not a URL; write %s, with %%40 for @ and %%2F for / in a password", r.name, s.form)
	}
	var to sender
	if s.own() {
		to, err = openWebhook(u, client)
	} else {
		to, err = openShoutrrr(u, s)
	}
	if err != nil {
		return nil, r, fmt.Errorf("%s: %w; write %s", r.name, err, s.form)
	}
	return to, newRedactor(raw, s.openHost), nil
}

// errIncomplete is the error for a URL that the library refuses, whose own errors may contain the secret.
var errIncomplete = errors.New("something is missing or not known")

func schemes() string {
	var names []string
	for _, s := range services() {
		names = append(names, s.scheme)
	}
	return strings.Join(names, ", ")
}
