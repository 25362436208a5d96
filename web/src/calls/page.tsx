/** Calls: the list, or one of them. */

import { linkTo, route } from "../route";
import { CallList } from "./list";
import { CallShown } from "./call";

export function CallsPage() {
  const { rest } = route.value;
  if (!rest) return <CallList />;
  return (
    <div class="page">
      <p class="back">
        <a href={linkTo("calls")}>← All calls</a>
      </p>
      <CallShown key={rest} name={rest} />
    </div>
  );
}
