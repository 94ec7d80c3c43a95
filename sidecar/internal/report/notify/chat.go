package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// asJSON is a request with v as its body. V is made of strings, numbers and flags, which encode always.
func asJSON(address string, v any) request {
	body, _ := json.Marshal(v)
	return request{url: address, header: map[string]string{"Content-Type": "application/json"}, body: body}
}

// openDiscord: token@webhook. The colours and the splitting of lines are the library's, and have no meaning here.
func openDiscord(u *url.URL, client *http.Client) (sender, error) {
	o, err := readOptions(u, "username", "avatar", "avatarurl", "thread_id",
		"title", "color", "colorerror", "colorwarn", "colorinfo", "colordebug", "splitlines")
	if err != nil {
		return nil, err
	}
	token, id := u.User.Username(), u.Host
	if !regexp.MustCompile(`^[0-9]+$`).MatchString(id) || !regexp.MustCompile(`^[A-Za-z0-9_.-]+$`).MatchString(token) {
		return nil, errors.New("webhook ID (a number) or token is missing")
	}
	address := "https://discord.com/api/webhooks/" + id + "/" + token
	if thread := o["thread_id"]; thread != "" {
		address += "?thread_id=" + url.QueryEscape(thread)
	}
	avatar := o["avatar"] + o["avatarurl"]
	return &web{client: client, build: func(m Message) []request {
		return []request{asJSON(address, discordJSON{
			Content: m.whole(), Username: o["username"], Avatar: avatar, Flags: discordNoPreviews,
			Mentions: discordMentions{Parse: []string{}},
		})}
	}}, nil
}

const discordNoPreviews = 1 << 2

type discordJSON struct {
	Content  string          `json:"content"`
	Username string          `json:"username,omitempty"`
	Avatar   string          `json:"avatar_url,omitempty"`
	Flags    int             `json:"flags"`
	Mentions discordMentions `json:"allowed_mentions"` // none, whatever the text says
}

type discordMentions struct {
	Parse []string `json:"parse"`
}

// slackToken is three parts, with the kind of token before them where there is one.
const slackToken = `^(?:(xox.|hook)[-:])?([A-Za-z0-9]{5,})[-/,]([A-Za-z0-9]{5,})[-/,]([A-Za-z0-9]{5,})$`

// openSlack: a webhook's token or a bot's, and the old form with the parts of a webhook's as host and path.
func openSlack(u *url.URL, client *http.Client) (sender, error) {
	o, err := readOptions(u, "botname", "username", "icon", "icon_emoji", "icon_url", "thread_ts", "title", "color")
	if err != nil {
		return nil, err
	}
	text := u.User.String()
	name := o["botname"] + o["username"]
	if len(segments(u)) > 0 {
		text, name = u.Host+"/"+strings.Join(segments(u), "/"), u.User.Username()
	}
	parts := regexp.MustCompile(slackToken).FindStringSubmatch(text)
	if parts == nil {
		return nil, errors.New("the token is not one of Slack's")
	}
	out := slackJSON{Username: name, Thread: o["thread_ts"]}
	if icon := o["icon"] + o["icon_emoji"] + o["icon_url"]; strings.Contains(icon, "://") {
		out.IconURL = icon
	} else {
		out.Icon = icon
	}
	call := func(r request) request { return r }
	address := "https://hooks.slack.com/services/" + strings.Join(parts[2:], "/")
	if kind := parts[1]; kind != "" && kind != "hook" {
		address, out.Channel = "https://slack.com/api/chat.postMessage", u.Host
		call = func(r request) request {
			r.header["Authorization"] = "Bearer " + kind + "-" + strings.Join(parts[2:], "-")
			r.header["Content-Type"] = "application/json; charset=utf-8"
			r.verify = sayingOK
			return r
		}
	}
	return &web{client: client, build: func(m Message) []request {
		say := out
		say.Text = strings.ReplaceAll(m.whole(), "&", "&amp;") // < and > are gone already
		return []request{call(asJSON(address, say))}
	}}, nil
}

type slackJSON struct {
	Text     string `json:"text"`
	Channel  string `json:"channel,omitempty"`
	Username string `json:"username,omitempty"`
	Icon     string `json:"icon_emoji,omitempty"`
	IconURL  string `json:"icon_url,omitempty"`
	Thread   string `json:"thread_ts,omitempty"`
	Markup   bool   `json:"mrkdwn"`
	Links    bool   `json:"unfurl_links"`
	Media    bool   `json:"unfurl_media"`
}

// sayingOK is for APIs that answer 200 and say in the body that they did not do it.
func sayingOK(body []byte) error {
	var answer struct {
		OK          bool   `json:"ok"`
		Error       string `json:"error"`       // Slack
		Description string `json:"description"` // Telegram
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return errors.New("the server's answer is not its API's; is there a proxy in between?")
	}
	if !answer.OK {
		return fmt.Errorf("the service says: %s%s", answer.Error, answer.Description)
	}
	return nil
}

// openTelegram: a chat that is name:number is a topic of a group. The parse mode is not used: messages are plain text.
func openTelegram(u *url.URL, client *http.Client) (sender, error) {
	o, err := readOptions(u, "chats", "channels", "notification", "preview", "parsemode", "title")
	if err != nil {
		return nil, err
	}
	secret, _ := u.User.Password()
	token := u.User.Username() + ":" + secret
	if !regexp.MustCompile(`^[0-9]+:[A-Za-z0-9_-]+$`).MatchString(token) {
		return nil, errors.New("the token is not one of Telegram's, a number, a colon, letters")
	}
	chats := append(o.list("chats"), o.list("channels")...)
	if len(chats) == 0 {
		return nil, errors.New("no chats are named")
	}
	loud, err := o.yes("notification", true)
	if err != nil {
		return nil, err
	}
	preview, err := o.yes("preview", true)
	if err != nil {
		return nil, err
	}
	address := "https://api.telegram.org/bot" + token + "/sendMessage"
	return &web{client: client, build: func(m Message) []request {
		var all []request
		for _, chat := range chats {
			id, topic, _ := strings.Cut(chat, ":")
			thread, _ := strconv.Atoi(topic)
			r := asJSON(address, telegramJSON{Chat: id, Thread: thread, Text: m.whole(), Silent: !loud, NoPreview: !preview})
			r.verify = sayingOK
			all = append(all, r)
		}
		return all
	}}, nil
}

type telegramJSON struct {
	Chat      string `json:"chat_id"`
	Thread    int    `json:"message_thread_id,omitempty"`
	Text      string `json:"text"`
	Silent    bool   `json:"disable_notification"`
	NoPreview bool   `json:"disable_web_page_preview"`
}
