package pattern

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Names inside text of a script without spaces between words. No space or punctuation says
// where one begins: that the same ones stand between the same letters in several places
// does. Words of another script in it are names as they are.
const (
	insideLetters = 4        // of a name that is learned
	insideFound   = 6        // that are found
	insideAll     = 64 << 10 // bytes of tokens of which all names are looked at
	insidePlaces  = 256      // at which names are learned at once
	insideText    = 192      // bytes of a token in which names are looked for
	insideActs    = "不没未已無"  // not, already: no name has them
)

// actsInside are words that say what happened; nothing changes them.
var actsInside = strings.Fields("成功 失败 失敗 开始 開始 停止 启动 起動 关闭 打开 完成 完了 结束 終了 超时 异常 異常 错误 エラー 连接 接続 断开 切断 登录 登陆 退出 " +
	"创建 作成 删除 削除 更新 读取 写入 发送 送信 接收 受信 处理 処理 执行 実行 拒绝 拒否 允许 无法 恢复 中断 取消 请求")

// sample says which names are looked for inside tokens: of many outlines a share of all
// names, at each of their places, whatever the order of outlines. Zero: none.
type sample uint32

// insideOf returns the rows that may have names inside a token, and the sample of them.
func insideOf(rows [][]string) (dense [][]string, of sample) {
	bytes := 0
	for _, tokens := range rows {
		if !mayHaveInside(tokens) {
			continue
		}
		dense = append(dense, tokens)
		for _, token := range tokens {
			if looksInside(token) {
				bytes += len(token)
			}
		}
	}
	return dense, sample((bytes + insideAll - 1) / insideAll)
}

// looksInside reports whether names are looked for inside a token.
func looksInside(token string) bool {
	return isSentence(token) && len(token) <= insideText && !hasNames(token)
}

// has reports whether a name is looked for.
func (s sample) has(name string) bool {
	if s == 1 {
		return true
	}
	hash := uint32(2166136261) // FNV-1a: the same on every node, and nothing is copied
	for i := range len(name) {
		hash = (hash ^ uint32(name[i])) * 16777619
	}
	return hash%uint32(s) == 0
}

// mayHaveInside reports whether names may be looked for inside one of the tokens.
func mayHaveInside(tokens []string) bool {
	if len(tokens) > wideTokens || strings.Contains(tokens[0], wild) || hasNames(tokens[0]) {
		return false
	}
	return slices.ContainsFunc(tokens, scriptIn)
}

// eachInside calls found with what may be a name of a sample inside a token, and where it
// stands.
func eachInside(tokens []string, of sample, found func(p place, name string)) {
	row, start := "", 0
	for _, token := range tokens {
		if looksInside(token) {
			if row == "" {
				row = strings.Join(tokens, " ")
			}
			before, after := strings.TrimSuffix(row[:start], " "), strings.TrimPrefix(row[start+len(token):], " ")
			for from := range token {
				eachNameAt(token, from, func(end int) {
					name := token[from:end]
					if p := (place{before, token[:from], token[end:], after}); of.has(name) && p.inside() && !acts(name) {
						found(p, name)
					}
				})
			}
		}
		start += len(token) + 1
	}
}

// eachNameAt calls found with the ends of what may be a name at a place of a token.
func eachNameAt(token string, from int, found func(end int)) {
	if isLatin(token[from]) {
		if from > 0 && isLatin(token[from-1]) {
			return
		}
		end := from
		for end < len(token) && isLatin(token[end]) {
			end++
		}
		if end-from > 1 {
			found(end)
		}
		return
	}
	end := from
	for n := 1; n <= insideLetters && end < len(token); n++ {
		r, size := utf8.DecodeRuneInString(token[end:])
		if !isScript(r) || unicode.Is(unicode.Hiragana, r) || strings.ContainsRune(insideActs, r) {
			return
		}
		if end += size; n > 1 {
			found(end)
		}
	}
}

// inside reports whether a place is one beside letters of a script without spaces.
func (p place) inside() bool {
	before, _ := utf8.DecodeLastRuneInString(p.lead)
	after, _ := utf8.DecodeRuneInString(p.trail)
	return isScript(before) || isScript(after)
}

// within reports whether what stands at a place is a part of what stands at another one.
func (p place) within(other place) bool {
	return p.before == other.before && p.after == other.after && strings.HasPrefix(p.lead, other.lead) && strings.HasSuffix(p.trail, other.trail)
}

func isLatin(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }

// isScript reports whether a letter is one of a script without spaces.
func isScript(r rune) bool { return r >= 0xE00 && unicode.IsLetter(r) }

// scriptIn reports whether a text has such a letter.
func scriptIn(text string) bool {
	return isSentence(text) && strings.ContainsFunc(text, isScript)
}

// acts reports whether a text has a word that says what happened.
func acts(text string) bool {
	for _, word := range actsInside {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// wholeNames reports whether names differ where they begin and where they end: else
// something of what is around is taken for a part of them.
func wholeNames(names []string) bool {
	begin, end := false, false
	first, _ := utf8.DecodeRuneInString(names[0])
	last, _ := utf8.DecodeLastRuneInString(names[0])
	for _, name := range names[1:] {
		r, _ := utf8.DecodeRuneInString(name)
		begin = begin || r != first
		r, _ = utf8.DecodeLastRuneInString(name)
		end = end || r != last
	}
	return begin && end
}

// allLatin reports whether names are words of another script.
func allLatin(names []string) bool {
	for _, name := range names {
		if !isLatin(name[0]) {
			return false
		}
	}
	return true
}

// coversInside reports whether a token has a name between what is around it.
func coversInside(lead, trail, token string) bool {
	if len(token) <= len(lead)+len(trail) || !strings.HasPrefix(token, lead) || !strings.HasSuffix(token, trail) {
		return false
	}
	name := token[len(lead) : len(token)-len(trail)]
	if name == wide {
		return true
	}
	if isLatin(name[0]) {
		for i := range len(name) {
			if !isLatin(name[i]) {
				return false
			}
		}
		return true
	}
	for _, r := range name {
		if !isScript(r) {
			return false
		}
	}
	return utf8.RuneCountInString(name) <= insideFound && !acts(name)
}
