#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include <shardplan/core/text.hpp>
#include <shardplan/core/utf8.hpp>

/// Pictures as SVG: elements, escaped text, short numbers, and colours that colour-blind readers tell apart.
namespace shardplan {

/// A colour of a picture.
struct Colour {
  std::uint8_t red = 0, green = 0, blue = 0;

  friend constexpr bool operator==(Colour, Colour) = default;
};

/// `#0072b2`
inline void append_to(std::string& out, Colour colour) {
  constexpr std::string_view digits = "0123456789abcdef";
  out += '#';
  for (const unsigned part : {colour.red, colour.green, colour.blue}) (out += digits[part / 16]) += digits[part % 16];
}

/// The colour on the way from one to another; share 0 is the first. Pre: 0 <= share <= 1.
inline Colour mix(Colour from, Colour to, double share) {
  const auto part = [share](int a, int b) { return static_cast<std::uint8_t>(std::lround(a + (b - a) * share)); };
  return {part(from.red, to.red), part(from.green, to.green), part(from.blue, to.blue)};
}

inline constexpr Colour white{255, 255, 255};
inline constexpr Colour ink{31, 41, 51};           ///< text and frames
inline constexpr Colour faint_ink{94, 106, 119};   ///< captions, axes
inline constexpr Colour rule_grey{208, 214, 221};  ///< lines that only guide the eye

/// The eight colours of Okabe and Ito, grey for their black.
inline constexpr Colour palette[] = {{86, 180, 233}, {230, 159, 0}, {0, 158, 115}, {204, 121, 167},
                                     {240, 228, 66}, {0, 114, 178}, {213, 94, 0},  {153, 153, 153}};

/// The colour of item `at` of `count`: one of the palette for up to eight, else a place on the ramp from dark blue to
/// yellow, whose lightness rises all along, so that it also serves readers who see no hue. Pre: 0 <= at < count.
inline Colour colour_of(Index at, Index count) {
  constexpr Index known = static_cast<Index>(std::size(palette));
  if (count <= known) return palette[at];
  constexpr Colour ramp[] = {{0, 48, 111},    {63, 78, 110},   {110, 112, 117},
                             {152, 146, 121}, {203, 186, 105}, {255, 233, 69}};
  constexpr double steps = static_cast<double>(std::size(ramp) - 1);
  const double along = static_cast<double>(at) / static_cast<double>(count - 1) * steps;
  const std::size_t below = std::min(static_cast<std::size_t>(along), std::size(ramp) - 2);
  return mix(ramp[below], ramp[below + 1], along - static_cast<double>(below));
}

/// Black or white, whichever reads better on that colour.
inline Colour ink_on(Colour ground) {
  const double light = 0.299 * ground.red + 0.587 * ground.green + 0.114 * ground.blue;
  return light > 140 ? ink : white;
}

/// Letters in a picture are at most this wide on average, as a share of their size, in the usual sans-serif fonts.
inline constexpr double letter_width = 0.62;

inline double text_width(std::string_view text, double size) {
  double letters = 0;
  for (const char letter : text) letters += (static_cast<unsigned char>(letter) & 0xC0) != 0x80;
  return letters * letter_width * size;
}

namespace detail {

/// At most two digits behind the point and none that says nothing: `3`, `.5`, `-12.25`.
inline void append_short(std::string& out, double number) {
  const auto hundredths = static_cast<Index>(std::llround(number * 100));
  const Index size = hundredths < 0 ? -hundredths : hundredths, rest = size % 100;
  if (hundredths < 0) out += '-';
  if (size >= 100 || rest == 0) append_to(out, size / 100);
  if (rest == 0) return;
  (out += '.') += static_cast<char>('0' + rest / 10);
  if (rest % 10 != 0) out += static_cast<char>('0' + rest % 10);
}

/// Text as XML holds it: whatever XML has no character for becomes U+FFFD.
inline void append_xml(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const std::string_view letter = text.substr(0, length == 0 ? 1 : length);
    const bool control = length == 1 && letter[0] >= 0 && letter[0] < ' ' && letter[0] != '\n' && letter[0] != '\t';
    if (length == 0 || control || letter == "\xEF\xBF\xBE" || letter == "\xEF\xBF\xBF")
      out += "\xEF\xBF\xBD";
    else if (letter == "&")
      out += "&amp;";
    else if (letter == "<")
      out += "&lt;";
    else if (letter == ">")
      out += "&gt;";
    else if (letter == "\"")
      out += "&quot;";
    else
      out += letter;
    text.remove_prefix(letter.size());
  }
}

}  // namespace detail

/// How a line of text looks.
struct TextStyle {
  enum class Anchor : std::uint8_t { start, middle, end };
  double size = 11;
  Anchor anchor = Anchor::start;
  Colour colour = ink;
  bool bold = false;
};

/// An outline made of steps; the coordinates have one digit behind the point, and relative steps do not add up errors.
class Outline {
 public:
  /// A rectangle of its own.
  Outline& box(double x, double y, double width, double height) {
    const Index w = tenths(x + width) - tenths(x), h = tenths(y + height) - tenths(y);
    move(x, y).put('h', w).put('v', h).put('h', -w);
    path_ += 'z';
    return *this;
  }
  Outline& move(double x, double y) {
    path_ += 'M';
    number(x_ = tenths(x), false);
    number(y_ = tenths(y), true);
    return *this;
  }
  Outline& across(double x) {
    if (const Index to = tenths(x); to != x_) put('h', to - std::exchange(x_, to));
    return *this;
  }
  Outline& down(double y) {
    if (const Index to = tenths(y); to != y_) put('v', to - std::exchange(y_, to));
    return *this;
  }
  Outline& close() {
    path_ += 'z';
    return *this;
  }
  const std::string& path() const { return path_; }
  bool empty() const { return path_.empty(); }

 private:
  static Index tenths(double at) { return static_cast<Index>(std::llround(at * 10)); }
  Outline& put(char letter, Index by) {
    path_ += letter;
    number(by, false);
    return *this;
  }
  void number(Index value, bool follows) {
    if (follows && value >= 0) path_ += ' ';
    detail::append_short(path_, static_cast<double>(value) / 10);
  }

  std::string path_;
  Index x_ = 0, y_ = 0;
};

/// Writes one picture, element after element, later ones over earlier ones.
///
///     Svg svg;
///     svg.box(0, 0, 40, 20, palette[0]).text(4, 14, "rank 0");
///     const std::string file = svg.finish(60, 40, "One rank", "what it shows, for readers who do not see it");
///
/// The picture has a light ground of its own, so it stands on light and on dark pages.
/// Post     the file depends on the calls alone; its text is escaped
class Svg {
 public:
  using Anchor = TextStyle::Anchor;

  Svg& box(double x, double y, double width, double height, Colour fill) {
    return place("<rect", x, y, width, height).paint("fill", fill).end();
  }
  /// A box with idle or padding lines.
  Svg& hatched(double x, double y, double width, double height) {
    hatched_ = true;
    place("<rect", x, y, width, height).body_ += " fill=\"url(#hatch)\"";
    return end();
  }
  Svg& frame(double x, double y, double width, double height, Colour stroke, double thick = 1) {
    place("<rect", x, y, width, height).body_ += " fill=\"none\"";
    return paint("stroke", stroke).number("stroke-width", thick).end();
  }
  Svg& line(double x1, double y1, double x2, double y2, Colour stroke = rule_grey, double thick = 1) {
    body_ += "<line";
    number("x1", x1).number("y1", y1).number("x2", x2).number("y2", y2);
    return paint("stroke", stroke).number("stroke-width", thick).end();
  }
  /// kind: a name that tells readers of the file what the outline is.
  Svg& fill(const Outline& outline, Colour colour, std::string_view kind) {
    if (outline.empty()) return *this;
    body_ += concat("<path class=\"", kind, "\" d=\"", outline.path(), '"');
    return paint("fill", colour).end();
  }
  Svg& stroke(const Outline& outline, Colour colour, double thick, std::string_view kind) {
    if (outline.empty()) return *this;
    body_ += concat("<path class=\"", kind, "\" d=\"", outline.path(), "\" fill=\"none\"");
    return paint("stroke", colour).number("stroke-width", thick).end();
  }
  /// y: of the line that the letters stand on.
  Svg& text(double x, double y, std::string_view content, const TextStyle& style = {}) {
    body_ += "<text";
    number("x", x).number("y", y);
    if (style.size != TextStyle().size) number("font-size", style.size);
    if (style.anchor != Anchor::start)
      body_ += style.anchor == Anchor::end ? " text-anchor=\"end\"" : " text-anchor=\"middle\"";
    if (style.colour != ink) paint("fill", style.colour);
    if (style.bold) body_ += " font-weight=\"bold\"";
    body_ += '>';
    detail::append_xml(body_, content);
    body_ += "</text>\n";
    return *this;
  }
  /// What follows until close() is one thing, which programs that show a text under the pointer name so.
  Svg& open(std::string_view tooltip) {
    body_ += "<g><title>";
    detail::append_xml(body_, tooltip);
    body_ += "</title>\n";
    return *this;
  }
  Svg& close() {
    body_ += "</g>\n";
    return *this;
  }

  /// The whole file.
  std::string finish(double width, double height, std::string_view title, std::string_view description) const {
    Svg file;
    file.body_ = "<svg xmlns=\"http://www.w3.org/2000/svg\"";
    file.number("width", width).number("height", height).body_ += " viewBox=\"0 0 ";
    detail::append_short(file.body_, width);
    detail::append_short(file.body_ += ' ', height);
    file.body_ += "\" role=\"img\" font-family=\"Helvetica,Arial,'DejaVu Sans',sans-serif\"";
    file.number("font-size", TextStyle().size).paint("fill", ink).body_ += ">\n<title>";
    detail::append_xml(file.body_, title);
    file.body_ += "</title>\n<desc>";
    detail::append_xml(file.body_, description);
    file.body_ += "</desc>\n";
    if (hatched_)
      file.body_ += concat(
          "<pattern id=\"hatch\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" "
          "patternTransform=\"rotate(45)\"><rect width=\"5\" height=\"5\" fill=\"",
          Colour{246, 247, 249}, "\"/><line x1=\"0\" y1=\"0\" x2=\"0\" y2=\"5\" stroke=\"", rule_grey,
          "\"/></pattern>\n");
    file.place("<rect", 0, 0, width, height).paint("fill", white).body_ += " rx=\"6\"";
    file.end();
    return file.body_ + body_ + "</svg>\n";
  }

 private:
  Svg& number(std::string_view name, double value) {
    body_ += concat(' ', name, "=\"");
    detail::append_short(body_, value);
    body_ += '"';
    return *this;
  }
  Svg& paint(std::string_view name, Colour colour) {
    body_ += concat(' ', name, "=\"", colour, '"');
    return *this;
  }
  Svg& place(std::string_view element, double x, double y, double width, double height) {
    body_ += element;
    return number("x", x).number("y", y).number("width", width).number("height", height);
  }
  Svg& end() {
    body_ += "/>\n";
    return *this;
  }

  std::string body_;
  bool hatched_ = false;
};

}  // namespace shardplan
