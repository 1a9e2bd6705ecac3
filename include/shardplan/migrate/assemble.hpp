#pragma once
#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <shardplan/migrate/nxdt_keys.hpp>
#include <shardplan/migrate/report.hpp>
#include <shardplan/migrate/source_text.hpp>

/// A file put together from the lines of another one.
namespace shardplan::migrate {

/// A key of the source that is no section.
struct Leaf {
  std::string path;
  Mark mark;
  const Node* value = nullptr;     ///< with interpolations
  const Node* resolved = nullptr;  ///< without
  bool goes = false;               ///< it is not in the result
};

/// A key of the result that is no section.
struct Key {
  std::string path;
  Node value;
  std::optional<std::size_t> leaf{};  ///< where it comes from
  bool rewritten = false;             ///< the value is not the one that stands there
  std::string comment{};              ///< of a key without source
};

/// How much of the source's lines is used.
enum class Lift : std::uint8_t { lines, comments, nothing };

namespace detail {

/// The keys of a result as the tree that its file shows.
struct Branch {
  std::string key;
  const Key* leaf = nullptr;  ///< null: a section
  std::vector<std::unique_ptr<Branch>> inside{};

  Branch& child(std::string_view step) {
    for (const auto& one : inside)
      if (one->key == step) return *one;
    inside.push_back(std::make_unique<Branch>(Branch{std::string(step)}));
    return *inside.back();
  }
};

inline std::size_t rank_of(std::string_view section) {
  return static_cast<std::size_t>(std::find(std::begin(section_order), std::end(section_order), section) -
                                  std::begin(section_order));
}

/// The sections in the order of the source, new ones where people expect them.
inline void order_sections(Branch& root, const std::vector<std::string>& of_source) {
  const auto position = [&](const std::string& key) {
    return std::find(of_source.begin(), of_source.end(), key) - of_source.begin();
  };
  const auto first_new = std::stable_partition(root.inside.begin(), root.inside.end(), [&](const auto& one) {
    return position(one->key) < static_cast<std::ptrdiff_t>(of_source.size());
  });
  std::stable_sort(root.inside.begin(), first_new,
                   [&](const auto& a, const auto& b) { return position(a->key) < position(b->key); });
  std::vector<std::unique_ptr<Branch>> added(std::make_move_iterator(first_new),
                                             std::make_move_iterator(root.inside.end()));
  root.inside.erase(first_new, root.inside.end());
  std::stable_sort(added.begin(), added.end(),
                   [](const auto& a, const auto& b) { return rank_of(a->key) < rank_of(b->key); });
  for (auto& one : added) {
    auto at = root.inside.end();
    while (at != root.inside.begin() && rank_of((*std::prev(at))->key) > rank_of(one->key)) --at;
    root.inside.insert(at, std::move(one));
  }
}

class Assembler {
 public:
  Assembler(const std::vector<Key>& keys, const std::vector<Leaf>& leaves, const SourceText& source, Lift lift,
            const std::function<std::string(const std::string&)>& section_source)
      : keys_(keys), leaves_(leaves), source_(source), lift_(lift), section_source_(section_source) {}

  std::string run(const std::vector<std::string>& top_level) {
    Branch root;
    for (const Key& key : keys_) {
      Branch* at = &root;
      for (std::string_view rest = key.path; !rest.empty();) {
        const std::size_t dot = rest.find('.');
        at = &at->child(rest.substr(0, dot));
        rest.remove_prefix(dot == rest.npos ? rest.size() : dot + 1);
      }
      at->leaf = &key;
    }
    order_sections(root, top_level);
    if (lift_ != Lift::nothing)
      for (const std::string& line : source_.preface()) put(line);
    for (const auto& one : root.inside) write(*one, one->key, 0);
    if (lift_ != Lift::nothing)
      for (const std::string& line : source_.footer()) put(line);
    return std::move(out_);
  }

 private:
  using Item = SourceText::Item;

  void put(std::string_view line) { out_ += concat(line, source_.line_end()); }

  void put_lines(const SourceText::Lines& lines, const Item& item, std::size_t indent) {
    for (const std::string& line : lines) put(SourceText::shifted(line, item.indent, indent));
  }

  /// The lines of a key or section, where they can be used.
  const Item* item_of(const Branch& branch, const std::string& path) const {
    if (lift_ == Lift::nothing) return nullptr;
    if (branch.leaf != nullptr) return branch.leaf->leaf ? source_.find(leaves_[*branch.leaf->leaf].path) : nullptr;
    const Item* item = source_.find(section_source_(path));
    return item != nullptr && item->section ? item : nullptr;
  }

  /// Did a blank line go with the keys above that are no more?
  bool lost_blank(const Key& key) const {
    for (std::size_t i = *key.leaf; i-- > 0;) {
      const Leaf& above = leaves_[i];
      if (!above.goes || parent_of(above.path) != parent_of(leaves_[*key.leaf].path)) return false;
      const Item* item = source_.find(above.path);
      if (item != nullptr && !item->before.empty() && is_blank(item->before[0])) return true;
    }
    return false;
  }

  /// Does a key stand below another one than in the source, so that a blank line above it parts nothing?
  bool parted(const Branch& branch, const std::string& path) const {
    if (branch.leaf == nullptr || !branch.leaf->leaf) return false;
    const std::string section = parent_of(leaves_[*branch.leaf->leaf].path);
    if (above_ == nullptr) return *branch.leaf->leaf > 0 && parent_of(leaves_[*branch.leaf->leaf - 1].path) == section;
    return path != leaves_[*branch.leaf->leaf].path &&
           (!above_->leaf || parent_of(leaves_[*above_->leaf].path) != section);
  }

  void write(const Branch& branch, const std::string& path, std::size_t depth) {
    const std::size_t indent = depth * source_.unit();
    const std::string blanks(indent, ' ');
    const Item* item = item_of(branch, path);
    const Key* key = branch.leaf;
    const bool first = out_.empty();
    if (item != nullptr) {
      const bool has_blank = !item->before.empty() && is_blank(item->before[0]);
      if (key != nullptr && !has_blank && !first && !parted(branch, path) && lost_blank(*key)) put("");
      SourceText::Lines before = item->before;
      const bool alone = first || parted(branch, path);
      while (alone && !before.empty() && is_blank(before[0])) before.erase(before.begin());
      put_lines(before, *item, indent);
    } else if (depth == 0 && key == nullptr && !first &&
               !out_.ends_with(concat(source_.line_end(), source_.line_end()))) {
      put("");
    }
    const std::string name = item != nullptr && last_of_source(path, item) ? item->key : yaml_text(branch.key);
    if (key == nullptr) {
      put(concat(blanks, name, ':', item != nullptr ? std::string_view(item->rest) : std::string_view()));
      if (item != nullptr) put_lines(item->after, *item, indent);
      above_ = nullptr;
      for (const auto& one : branch.inside) write(*one, join_path(path, one->key), depth + 1);
      return;
    }
    above_ = key;
    if (item == nullptr) {
      put(concat(blanks, name, ": ", yaml_text(key->value), key->comment.empty() ? "" : "  # ", key->comment));
      return;
    }
    if (!key->rewritten && lift_ == Lift::lines) {
      put(concat(blanks, name, ':', item->rest));
      put_lines(item->more, *item, indent);
    } else {
      put(concat(blanks, name, ": ", yaml_text(key->value), item->more.empty() ? item->comment : std::string()));
    }
    put_lines(item->after, *item, indent);
  }

  /// Has the key of those lines the name that it had?
  static bool last_of_source(std::string_view path, const Item* item) {
    return item->key == path.substr(path.rfind('.') + 1);
  }

  const std::vector<Key>& keys_;
  const std::vector<Leaf>& leaves_;
  const SourceText& source_;
  Lift lift_;
  const std::function<std::string(const std::string&)>& section_source_;
  const Key* above_ = nullptr;  ///< the key that was written last; null: the head of a section
  std::string out_;
};

}  // namespace detail

/// The text of a file with these keys. section_source: the section of the source that a section of the result
/// comes from, empty: none. top_level: the order of the source.
inline std::string assemble(const std::vector<Key>& keys, const std::vector<Leaf>& leaves, const SourceText& source,
                            Lift lift, const std::vector<std::string>& top_level,
                            const std::function<std::string(const std::string&)>& section_source) {
  return detail::Assembler(keys, leaves, source, lift, section_source).run(top_level);
}

}  // namespace shardplan::migrate
