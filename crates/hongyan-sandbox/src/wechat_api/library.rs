//! The public template libraries: a small selection of WeChat's templates, enough to use every call.

/// A public template, with the keywords from which an app may choose.
pub(super) struct PublicTemplate {
    /// The id of its title: `tid` of the subscribe library, `id` of the legacy one.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// The template's service category.
    pub(super) category_id: u32,
    /// Whether one acceptance allows any number of messages.
    pub(super) long_term: bool,
    pub(super) keywords: &'static [Keyword],
}

/// A keyword of a public template. Its number is its position, counted from 1.
pub(super) struct Keyword {
    pub(super) name: &'static str,
    pub(super) example: &'static str,
    /// The rule of the value: the field's name without its number.
    pub(super) rule: &'static str,
}

const fn keyword(name: &'static str, example: &'static str, rule: &'static str) -> Keyword {
    Keyword { name, example, rule }
}

/// The allowed values of the only enumerated keyword in this library.
pub(super) const ENUM_VALUES: &[&str] = &["待审核", "审核通过", "审核不通过"];

/// The categories of the sandbox's apps.
pub(super) const CATEGORIES: &[(u32, &str)] = &[(616, "餐饮"), (612, "出行"), (307, "工具")];

pub(super) static SUBSCRIBE_LIBRARY: &[PublicTemplate] = &[
    PublicTemplate {
        id: "250",
        title: "取餐提醒",
        category_id: 616,
        long_term: false,
        keywords: &[
            keyword("取餐码", "A038", "character_string"),
            keyword("商品名称", "拿铁咖啡", "thing"),
            keyword("取餐时间", "2026年5月1日 09:30", "time"),
            keyword("门店", "朝阳门店", "thing"),
        ],
    },
    PublicTemplate {
        id: "401",
        title: "订单支付成功通知",
        category_id: 616,
        long_term: false,
        keywords: &[
            keyword("商品名称", "拿铁咖啡", "thing"),
            keyword("支付时间", "2026年5月1日 09:30", "date"),
            keyword("支付金额", "￥18.00", "amount"),
            keyword("订单号", "20260501093000", "number"),
        ],
    },
    PublicTemplate {
        id: "818",
        title: "审核结果通知",
        category_id: 307,
        long_term: false,
        keywords: &[
            keyword("审核状态", "审核通过", "enum"),
            keyword("申请人", "王小雁", "name"),
            keyword("审核时间", "2026年5月1日 09:30", "date"),
            keyword("备注", "请携带证件", "thing"),
        ],
    },
    PublicTemplate {
        id: "1128",
        title: "预约成功通知",
        category_id: 307,
        long_term: false,
        keywords: &[
            keyword("预约项目", "口腔检查", "thing"),
            keyword("预约时间", "2026年5月1日 09:30", "date"),
            keyword("联系电话", "010-12345678", "phone_number"),
            keyword("预约结果", "已确认", "phrase"),
        ],
    },
    PublicTemplate {
        id: "3310",
        title: "行程变更提醒",
        category_id: 612,
        long_term: true,
        keywords: &[
            keyword("行程", "北京南 — 上海虹桥", "thing"),
            keyword("出发时间", "2026年5月1日 09:30", "time"),
            keyword("车牌号", "京A12345", "car_number"),
        ],
    },
];

pub(super) static LEGACY_LIBRARY: &[PublicTemplate] = &[
    PublicTemplate {
        id: "AT0002",
        title: "购买成功通知",
        category_id: 616,
        long_term: false,
        keywords: &[
            keyword("购买地点", "朝阳门店", "keyword"),
            keyword("购买时间", "2026年5月1日", "keyword"),
            keyword("物品名称", "拿铁咖啡", "keyword"),
            keyword("交易单号", "20260501093000", "keyword"),
        ],
    },
    PublicTemplate {
        id: "AT0009",
        title: "订单支付成功通知",
        category_id: 616,
        long_term: false,
        keywords: &[
            keyword("单号", "20260501093000", "keyword"),
            keyword("金额", "18.00 元", "keyword"),
            keyword("支付时间", "2026年5月1日 09:30", "keyword"),
        ],
    },
    PublicTemplate {
        id: "AT0104",
        title: "预约成功通知",
        category_id: 307,
        long_term: false,
        keywords: &[
            keyword("预约项目", "口腔检查", "keyword"),
            keyword("预约时间", "2026年5月1日 09:30", "keyword"),
            keyword("备注", "请提前十分钟到达", "keyword"),
        ],
    },
];

/// The template of that id.
pub(super) fn find(library: &'static [PublicTemplate], id: &str) -> Option<&'static PublicTemplate> {
    library.iter().find(|t| t.id == id)
}

impl PublicTemplate {
    /// The keyword of that number.
    pub(super) fn keyword(&self, number: usize) -> Option<&'static Keyword> {
        number.checked_sub(1).and_then(|at| self.keywords.get(at))
    }
}
