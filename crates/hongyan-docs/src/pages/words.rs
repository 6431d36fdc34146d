//! The words of the site.

hongyan_ui::texts! {
    /// The words of all pages.
    pub(crate) struct Words;
    docs = "鸿雁文档", "Hongyan docs";
    contents = "目录", "Contents";
    pages = "文档目录", "Pages";
    search = "搜索文档", "Search the docs";
    home = "首页", "Home";
    english = "英文", "English";
    only_english = "本页只有英文。", "";
    on_this_page = "本页内容", "On this page";
    previous = "上一页", "Previous";
    next = "下一页", "Next";
    around = "前后页", "Previous and next page";

    results = "搜索结果", "Search";
    found(count: usize, sought: &str) = "“{sought}”：{count} 处。", "“{sought}”: {count} found.";
    found_one(sought: &str) = "“{sought}”：1 处。", "“{sought}”: 1 found.";
    first_found(count: usize, sought: &str) = "“{sought}”：最相关的 {count} 处。", "“{sought}”: the best {count}.";
    nothing(sought: &str) = "没有找到“{sought}”。", "Nothing found for “{sought}”.";
    in_other = "在英文文档中搜索", "Search the Chinese pages";
    try_words = "输入一个词，例如：", "Type a word, for example:";

    missing = "没有这个页面", "There is no such page";
    missing_text = "此处没有内容。请在左侧目录中选择，或搜索。", "There is nothing here. Choose a page from the contents, or search.";
}
