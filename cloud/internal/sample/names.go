package sample

import "math/rand/v2"

// fourByte is an invented name with a character that takes four bytes in GB 18030 (SHOW-6.6).
const fourByte = "李𠮷"

// name invents a holder's name.
func name(r *rand.Rand) string {
	surnames := []string{
		"赵", "钱", "孙", "李", "周", "吴", "郑", "王", "冯", "陈", "褚", "卫", "蒋", "沈", "韩", "杨", "欧阳", "司马", "上官", "诸葛",
	}
	given := []string{
		"一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "甲", "乙", "丙", "丁", "小雨", "小雪", "小满", "大寒", "立春", "清明",
	}
	return surnames[r.IntN(len(surnames))] + given[r.IntN(len(given))]
}
