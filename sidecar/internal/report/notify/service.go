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
	// form is how the URL is written; capitals stand for what has to be filled in.
	form string
	// openHost: the URL's host is the name of a server, and not a part of the secret.
	openHost bool
	// open makes the sender. Its errors are fixed sentences: they hold nothing of the URL. Nil is the library's.
	open func(u *url.URL, client *http.Client) (sender, error)
}

// services is every kind of target. Those that are named most are Stoker's own: they end when they are told to, follow no
// redirects, keep the connection, and a network that is down is an error of theirs. The others are the library's.
func services() []service {
	return []service{
		{"discord", "Discord", "discord://TOKEN@WEBHOOK_ID", false, openDiscord},
		{"slack", "Slack", "slack://hook:T000-B000-XXXX@webhook or slack://xoxb:123-456-XXXX@CHANNEL", false, openSlack},
		{"telegram", "Telegram", "telegram://BOT_TOKEN@telegram?chats=CHAT,CHAT", false, openTelegram},
		{"smtp", "mail", "smtp://USER:PASSWORD@HOST:PORT/?from=ADDRESS&to=ADDRESS,ADDRESS", true, openMail},
		{"ntfy", "ntfy", "ntfy://USER:PASSWORD@HOST/TOPIC, for the public server ntfy://ntfy.sh/TOPIC", true, openNtfy},
		{"gotify", "Gotify", "gotify://HOST/TOKEN", true, openGotify},
		{"json+https", "JSON webhook", "json+https://HOST/PATH", true, openRecord},
		{"json+http", "JSON webhook", "json+http://HOST/PATH", true, openRecord},
		{"generic", "webhook, the text only", "generic://HOST/PATH or generic+https://HOST/PATH", true, openGeneric},
		{"generic+https", "webhook, the text only", "generic+https://HOST/PATH", true, openGeneric},
		{"generic+http", "webhook, the text only", "generic+http://HOST/PATH", true, openGeneric},
		{"bark", "Bark", "bark://DEVICE_KEY@HOST", true, nil},
		{"googlechat", "Google Chat", "googlechat://chat.googleapis.com/v1/spaces/SPACE/messages?key=KEY&token=TOKEN", true, nil},
		{"ifttt", "IFTTT", "ifttt://KEY/?events=EVENT", false, nil},
		{"join", "Join", "join://shoutrrr:API_KEY@join/?devices=DEVICE", false, nil},
		{"lark", "Lark", "lark://open.larksuite.com/TOKEN", true, nil},
		{"matrix", "Matrix", "matrix://USER:PASSWORD@HOST/?rooms=!ROOM:HOST", true, nil},
		{"mattermost", "Mattermost", "mattermost://USER@HOST/TOKEN/CHANNEL", true, nil},
		{"notifiarr", "Notifiarr", "notifiarr://API_KEY?channel=CHANNEL_ID", false, nil},
		{"opsgenie", "OpsGenie", "opsgenie://api.opsgenie.com/API_KEY", true, nil},
		{"pagerduty", "PagerDuty", "pagerduty://events.pagerduty.com/INTEGRATION_KEY", true, nil},
		{"pushbullet", "Pushbullet", "pushbullet://TOKEN", false, nil},
		{"pushover", "Pushover", "pushover://shoutrrr:API_TOKEN@USER_KEY/", false, nil},
		{"rocketchat", "Rocket.Chat", "rocketchat://USER@HOST/TOKEN_A/TOKEN_B/CHANNEL", true, nil},
		{"signal", "Signal", "signal://USER:PASSWORD@HOST:PORT/SENDER_NUMBER/RECIPIENT_NUMBER", true, nil},
		{"teams", "Teams", "teams://GROUP@TENANT/ALT_ID/GROUP_OWNER/EXTRA_ID?host=ORGANIZATION.webhook.office.com", false, nil},
		{"wecom", "WeCom", "wecom://KEY", false, nil},
		{"zulip", "Zulip", "zulip://BOT_MAIL:API_KEY@HOST/?stream=STREAM&topic=TOPIC", true, nil},
	}
}

func find(scheme string) (service, bool) {
	all := services()
	n := slices.IndexFunc(all, func(s service) bool { return strings.EqualFold(s.scheme, scheme) })
	if n < 0 {
		return service{}, false
	}
	return all[n], true
}

// open makes the sender for a URL. The error tells what to write, and nothing of the URL but its service.
func open(raw string, client *http.Client) (sender, mask, error) {
	scheme, _, _ := strings.Cut(raw, "://")
	s, ok := find(scheme)
	m := newMask(raw, false)
	if !ok {
		return nil, m, fmt.Errorf("%s: its service is not known; write a URL that begins with one of %s", m.name, schemes())
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, m, fmt.Errorf("%s: not a URL; write %s, with %%40 for @ and %%2F for / in a password", m.name, s.form)
	}
	var to sender
	if s.open == nil {
		to, err = openLibrary(raw, s)
	} else {
		to, err = s.open(u, client)
	}
	if err != nil {
		return nil, m, fmt.Errorf("%s: %w; write %s", m.name, err, s.form)
	}
	return to, newMask(raw, s.openHost), nil
}

func schemes() string {
	var names []string
	for _, s := range services() {
		names = append(names, s.scheme)
	}
	return strings.Join(names, ", ")
}

// options are the parameters of a URL, by lower-case name.
type options map[string]string

// readOptions wants the known ones only, so that a slip of the pen is not silently without effect.
func readOptions(u *url.URL, known ...string) (options, error) {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("the part after ? is not well formed")
	}
	all := options{}
	for name, list := range values {
		name = strings.ToLower(name)
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("an option is not known; there are %s", strings.Join(known, ", "))
		}
		all[name] = list[len(list)-1]
	}
	return all, nil
}

// yes reads an option that is on or off.
func (o options) yes(name string, otherwise bool) (bool, error) {
	switch strings.ToLower(o[name]) {
	case "":
		return otherwise, nil
	case "yes", "true", "on", "1":
		return true, nil
	case "no", "false", "off", "0":
		return false, nil
	}
	return false, fmt.Errorf("option %s is neither yes nor no", name)
}

// list reads an option that is a comma list.
func (o options) list(name string) []string {
	return strings.FieldsFunc(o[name], func(r rune) bool { return r == ',' || r == ' ' })
}

// base is the address of a server as its API wants it, without options.
func base(u *url.URL, scheme string) url.URL { return url.URL{Scheme: scheme, Host: u.Host} }

// segments are the parts of a path.
func segments(u *url.URL) []string {
	return strings.FieldsFunc(u.Path, func(r rune) bool { return r == '/' })
}
