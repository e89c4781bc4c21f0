"""Prompt injection: text that tries to replace, reveal or imitate the instructions around it.

Called by the guard with a view and its further readings. English phrasings in six families, and overrides in
eight other languages. It deliberately leaves out persona play and lifted limits, which are ``jailbreak.py``'s.
"""

# ruff: noqa: E501  (a pattern is easier to check when it is not cut up)

from __future__ import annotations

import re
from collections.abc import Sequence

from .hidden import Reading
from .rules import LONG_WORD, OTHER_SCRIPT, Hit, RuleSet, rule
from .view import View, fold

__all__ = ["CATEGORIES", "RULES", "find"]

CATEGORIES = (
    "instruction_override",
    "prompt_extraction",
    "fake_delimiter",
    "mode_switch",
    "indirect_instruction",
    "encoded_instruction",
)

# Patterns that start with a plain alternative and no \b let the engine skip to its first letters, which is many
# times faster; in the middle of a word none of these verbs occurs before a gap and an object.
_VERB = (
    r"(?:ignor(?:e|ing)|disregard(?:ing)?|forget|neglect|override|overwrite|bypass|discard|cancel|revoke|skip"
    r"|abandon|dismiss|pay no attention to|(?:do not|don't|stop) (?:follow(?:ing)?|obey(?:ing)?|listen(?:ing)? to"
    r"|comply(?:ing)? with)) "
)
_FILL = r"(?:(?:all|any|every|each|of|the|your|my|our|these|those|that|this|other|single|set|to|its) ){0,5}"
_PRIOR = (
    r"(?:previous(?:ly)?|prior|above|earlier|preceding|foregoing|initial|original|existing|former|system"
    r"|developer's|developers|hidden|pre-?set|given|and|or)"
)
_OBJECT = r"(?:instructions?|prompts?|rules?|directives?|directions?|commands?|guidelines|guidance|orders|message)\b"
_VERBS = (
    "ignore ignoring disregard disregarding forget neglect override overwrite bypass discard cancel revoke skip abandon"
    " dismiss attention follow following obey obeying listen listening comply complying"
)
_OBJECTS = (
    "instruction instructions prompt prompts rule rules directive directives direction directions command commands"
    " guidelines guidance orders message"
)
_MODELS = "ai ais llm llms chatbot chatbots assistant assistants gpt gpts chatgpt chatgpts"
_TO_MODEL = [_MODELS + " language", _MODELS + " model models"]
_CONCEALED = (
    r"(?:system|initial|original|hidden|secret|confidential|internal|starting|developer|pre)"
    r"(?: (?:and|or|secret|hidden|system|initial)){0,2} "
    r"(?:prompts?|instructions?|messages?|rules|guidelines|configuration|directives)\b"
)
_TELL = (
    r"(?:reveal|show|print|output|display|repeat|tell|give|leak|dump|expose|disclose|share|recite|write|summari[sz]e"
    r"|translate|return|provide|what (?:is|are|was|were)) "
)
_MODE = r"(?:developer|debug|maintenance|admin|administrator|god|root|sudo|unrestricted|unsafe|diagnostic|dev) mode\b"
_MODEL = r"(?:ais?|llms?|language models?|chatbots?|(?:ai )?assistants?|(?:chat)?gpts?|ai (?:reviewers?|agents?|models?))"


def _folded(pattern: str) -> str:
    """A pattern in another script as it looks in the view."""
    return "".join(fold(char) if ord(char) > 127 else char for char in pattern)


OVERRIDE = "instruction_override"
RULES = RuleSet(
    rule("prior_object", OVERRIDE, 0.92, [_VERBS, _OBJECTS],
         _VERB + _FILL + rf"(?:{_PRIOR} ){{1,4}}" + _OBJECT),
    rule("your_object", OVERRIDE, 0.8, [_VERBS, _OBJECTS],
         _VERB + r"(?:all )?(?:of )?(?:your|these|all(?: the)?|any) " + _OBJECT),
    rule("object_before", OVERRIDE, 0.85, [_VERBS, _OBJECTS],
         _VERB + _FILL + _OBJECT + r" (?:that )?(?:(?:were )?given )?(?:above|before|earlier|so far|previously"
         r"|you (?:were|have been|have|received|got)|from (?:above|before))\b"),
    rule("all_you_know", OVERRIDE, 0.85, [_VERBS, "everything anything all what whatever", "you ve above before told said says wrote"],
         _VERB + r"(?:everything|anything|all|what|whatever) (?:that )?(?:(?:is |was )?(?:written |said )?(?:above|before)"
         r"|(?:you|you've|you have) (?:were|been|know|learned|read)|i (?:said|told|wrote)"
         r"|the (?:system|developers?|user|prompt) (?:told|said|says|wrote))\b"),
    rule("object_void", OVERRIDE, 0.8, [_OBJECTS, "void cancelled canceled revoked invalid obsolete longer null outdated"],
         rf"\b{_PRIOR} (?:{_PRIOR} ){{0,2}}{_OBJECT} (?:is|are|was|were) (?:now |hereby )?"
         r"(?:void|cancell?ed|revoked|invalid|obsolete|no longer|null|outdated)\b"),
    rule("new_task", OVERRIDE, 0.75, ["new real actual true only", "your instruction instructions orders directive directives policy"],
         r"(?:your (?:new|real|actual|true|only) (?:task|job|instructions?|orders|objective|goal|mission|purpose)"
         r" (?:is|are|will)\b|(?:new|real|actual) (?:instructions?|orders|directives?|policy)\s{0,3}:"
         r"|(?:here are|follow|these are) your (?:new|real|actual|true|only) (?:instructions?|orders|rules))"),
    rule("only_orders", OVERRIDE, 0.75, ["only", "obey orders instructions follow"],
         r"\b(?:obey only|only obey|as your only (?:orders|instructions)|only follow (?:my|these|the following))\b"),
    rule("glued", OVERRIDE, 0.88, [LONG_WORD],
         r"(?:ignore|disregard|forget)[a-z]{2,24}(?:instructions|rules|prompts?)"),
    rule("spanish", OVERRIDE, 0.9, ["instrucciones reglas ordenes indicaciones", "anteriores previas arriba"],
         r"\b(?:ignora|ignore|olvida|omite|descarta|no sigas) (?:\w{1,12} ){0,3}?(?:instrucciones|reglas|ordenes|indicaciones)"
         r" (?:\w{1,12} ){0,2}?(?:anteriores|previas|arriba)\b"),
    rule("french", OVERRIDE, 0.9, ["instructions consignes regles directives", "precedentes ci anterieures"],
         r"\b(?:ignore[zr]?|oublie[zr]?|neglige[zr]?|ne suis pas) (?:\w{1,12} ){0,3}?(?:instructions|consignes|regles|directives)"
         r" (?:\w{1,12} ){0,1}?(?:precedentes|ci-dessus|anterieures)\b"),
    rule("german", OVERRIDE, 0.9, ["anweisungen instruktionen regeln befehle vorgaben"],
         r"\b(?:ignorier(?:e|en|t)?|vergiss|vergessen|missachte|missachten)(?: sie)? (?:\w{1,8} ){0,2}?"
         r"(?:vorherigen|obigen|bisherigen|vorigen|fruheren|vorangegangenen|vorhergehenden) "
         r"(?:\w{1,12} ){0,1}?(?:anweisungen|instruktionen|regeln|befehle|vorgaben)\b"),
    rule("italian", OVERRIDE, 0.9, ["istruzioni regole direttive"],
         r"\b(?:ignora|ignorate|dimentica|trascura) (?:\w{1,12} ){0,2}?(?:istruzioni|regole|direttive)"
         r" (?:\w{1,12} ){0,1}?(?:precedenti|sopra)\b"),
    rule("portuguese", OVERRIDE, 0.9, ["instrucoes regras ordens", "anteriores acima previas"],
         r"\b(?:ignore|ignora|esqueca|desconsidere) (?:\w{1,12} ){0,2}?(?:instrucoes|regras|ordens)"
         r" (?:\w{1,12} ){0,1}?(?:anteriores|acima|previas)\b"),
    rule("dutch", OVERRIDE, 0.9, ["instructies regels opdrachten"],
         r"\b(?:negeer|vergeet) (?:\w{1,8} ){0,2}?(?:vorige|eerdere|bovenstaande|voorgaande) (?:instructies|regels|opdrachten)\b"),
    rule("chinese", OVERRIDE, 0.9, [OTHER_SCRIPT],
         "(?:忽略|无视|無視|忘记|忘記)[^。\\n]{0,6}?(?:之前|以上|上面|先前|前面|所有)[^。\\n]{0,8}?(?:指令|指示|提示|规则|規則)"),
    rule("russian", OVERRIDE, 0.9, [OTHER_SCRIPT],
         _folded(r"\b(?:игнорируй(?:те)?|забудь(?:те)?|проигнорируй(?:те)?) (?:\w{1,12} ){0,2}?"
                 r"(?:предыдущие|прежние|вышеуказанные|предшествующие) (?:инструкции|указания|правила)\b")),
    rule("secret_prompt", "prompt_extraction", 0.88, ["system initial original hidden secret confidential internal starting developer pre", "prompt prompts instruction instructions message messages rules guidelines configuration directives"],
         _TELL + r"(?:[\w'-]{1,20} ){0,6}?" + _CONCEALED),
    rule("text_above", "prompt_extraction", 0.85, ["above before prior", "verbatim word starting beginning are", "everything text word words all content contents line lines", "repeat print output write copy recite show type give"],
         r"(?:repeat|print|output|write|copy|recite|show|type|give) (?:[\w'-]{1,20} ){0,4}?"
         r"(?:everything|text|words?|all|contents?|lines?) (?:[\w'-]{1,20} ){0,2}?(?:above|before this|prior to this)\b"
         r"[^\n]{0,60}?\b(?:verbatim|word for word|starting with|beginning with|you are)\b"),
    rule("control_token", "fake_delimiter", 0.85, ["im_start im im_end system endoftext user assistant start_header_id start eot begin"],
         r"<\|(?:im_start|im_end|system|endoftext|user|assistant|start_header_id|end_header_id|eot_id|begin_of_text)\|>"),
    rule("llama_token", "fake_delimiter", 0.85, ["inst sys"], r"\[/?inst\]|<</?sys>>"),
    rule("role_heading", "fake_delimiter", 0.8, ["system developer"],
         r"###[\x20\t]{0,3}(?:system|developer)(?: (?:prompt|message|instructions?))?[\x20\t]{0,2}[:\n]"),
    rule("role_line", "fake_delimiter", 0.75, ["system developer"],
         r"(?:^|\n)[\x20\t]{0,4}(?:system|developer)[\x20\t]{0,2}:[^\n]{0,60}?\b(?:you|user|comply|obey|all requests|new policy|approve"
         r"|ignore|from now on)\b"),
    rule("role_tag", "fake_delimiter", 0.8, ["system instruction instructions admin developer"],
         r"</[a-z_]{2,20}>\s{0,8}<(?:system|instructions?|admin|developer)>|<(?:system|admin|developer)>[^<]{0,80}?"
         r"\b(?:you|user|grant|ignore|obey|comply)\b"),
    rule("role_fence", "fake_delimiter", 0.8, ["system developer"], r"```[\x20\t]{0,2}(?:system|developer)\b"),
    rule("end_of_prompt", "fake_delimiter", 0.8, ["prompt instructions input"],
         r"[-=#*]{2,12}\s{0,2}(?:end|begin|start) of (?:the )?(?:prompt|instructions|user input|system prompt)"),
    rule("you_in_mode", "mode_switch", 0.85, ["mode"], r"\b(?:you are|you're)(?: now)? (?:in|entering) (?:the )?" + _MODE),
    rule("enter_mode", "mode_switch", 0.6, ["mode"],
         r"\b(?:enter|switch (?:to|into)|activate|enable|engage|go into|boot into) (?:the |your )?" + _MODE),
    rule("mode_and_act", "mode_switch", 0.82, ["mode"],
         r"\b(?:enter|switch (?:to|into)|activate|enable|engage|go into|boot into) (?:the |your )?" + _MODE
         + r"[^\n]{0,40}?\b(?:disable|filters?|policy|restrictions?|unlocked|your context|your variables|confirm|raw|comply|obey)\b"),
    rule("override_code", "mode_switch", 0.85, ["override sudo root admin"],
         r"\b(?:(?:system|admin|administrator|security) override(?: code\b|\s{0,2}:)|sudo mode|as (?:the )?(?:root|admin) user,? i )"),
    rule("to_the_model", "indirect_instruction", 0.85, _TO_MODEL,
         r"\b(?:if you are|if you're|attention|note to|dear|message (?:to|for)|instructions? (?:to|for)|as) (?:an? |the |any |all )?"
         + _MODEL + r"\b[^\n]{0,100}?\b(?:you must|must|please|do not|don't|say that|ignore|disregard|rate|mark)\b"),
    rule("model_colon", "indirect_instruction", 0.82, _TO_MODEL,
         r"\b(?:ais?|llms?|language models?|(?:ai|llm) (?:assistants?|reviewers?|agents?|models?))\s{0,2}:[^\n]{0,80}?"
         r"\b(?:do not|don't|must|only|give|rate|say)\b"),
    rule("send_out", "indirect_instruction", 0.85, ["http https url", "conversation chat prompt password passwords credentials api mail email"],
         r"\b(?:send|post|forward|upload|transmit|append|exfiltrate|leak|add) (?:[\w'-]{1,20} ){0,4}?"
         r"(?:conversation|chat history|chat|system prompt|passwords?|credentials|api keys?|e-?mail address)\b[^\n]{0,60}?(?:https?:|\burl\b)"),
    rule("tell_user", "indirect_instruction", 0.75, ["tell", "user"],
         r"\btell the user (?:to|that)\b[^\n]{0,60}?\b(?:visit|enter|click|passwords?|download|log in)\b"),
    rule("decode_and_obey", "encoded_instruction", 0.78, ["decode decrypt read reverse translate", "follow execute obey run carry comply do"],
         r"\b(?:decode|decrypt|read|reverse|translate)\b[^\n]{0,50}?\b(?:and|then) (?:then )?(?:follow|execute|obey|run|carry out"
         r"|comply|do what)\b"),
    rule("hidden_command", "encoded_instruction", 0.72, ["hidden secret encoded", "command commands instruction instructions"],
         r"\b(?:run|execute|follow|obey) (?:the |this |these )?(?:hidden|secret|encoded) (?:commands?|instructions?)\b"),
)  # fmt: skip

# "Participants were told to ignore previous instructions" reports; "you were told to" addresses the model.
_REPORTED = re.compile(
    r"\b(?!you\b)\w{2,20} (?:was|were|been|are|is) (?:told|asked|instructed|trained|allowed) (?:to|not to)\W{0,3}\Z"
)
_REPORTED_FACTOR = 0.7
_WINDOW = 60


def find(view: View, readings: Sequence[Reading]) -> list[Hit]:
    """Hits at offsets of the original text."""
    hits = [_damped(hit, view.lower) for hit in RULES.match(view.lower, view.words)]
    for reading in readings:
        hits += [hit.at(reading.span(hit.start, hit.end)) for hit in RULES.match(reading.text)]
    return [hit.at(view.span(hit.start, hit.end)) for hit in hits]


def _damped(hit: Hit, text: str) -> Hit:
    if hit.category == OVERRIDE and _REPORTED.search(text[max(0, hit.start - _WINDOW) : hit.start]):
        return hit._replace(confidence=hit.confidence * _REPORTED_FACTOR)
    return hit
